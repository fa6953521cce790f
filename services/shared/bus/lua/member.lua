-- member: how a change of membership is made and told. A chunk, included behind `append` and `outbox` by scripts whose KEYS[4] is the members
-- hash and KEYS[5] the partition's outbox; ARGV[3] is the conversation id.
--
-- local epoch, offset = change(at, kind, user, event, payload)   kind: member.joined, member.left, member.invited or
--                                                                member.declined; the journal's event, and what the user's own
--                                                                channel will be told through the outbox
-- still(at, key, user, value)                                    the reply where nothing changes: what is there is written again
-- local refusal = crowded()                                      full, when the outbox holds more than the relay may be behind
-- standing_at(at)                                                epoch and offset of the newest entry, for repeats
-- titled(event, title)                                           the event with the conversation's title
-- remember_end(key, at, user, epoch, offset, most)               where a membership or an invitation ended, for repeats
-- remembered_end(key, at, user)                                  the reply to such a repeat; nil if it is not known

local function crowded()
  if room_in(KEYS[5]) > 0 then return end
  local waiting = redis.call('XLEN', KEYS[5])
  return { 'full', waiting .. ' changes wait to be told in this partition, it takes ' .. MOST_OUTBOX }
end

local function change(at, kind, user, event, payload)
  if kind == 'member.joined' then redis.call('ZADD', at.head .. ':names', 0, user) end
  if kind == 'member.left' then
    redis.call('HDEL', at.head .. ':read', user)
    redis.call('ZREM', at.head .. ':names', user)
  end
  local version = redis.call('HINCRBY', at.head, 'members_version', 1)
  redis.call('XADD', KEYS[5], '*', 'kind', kind, 'conversation', ARGV[3], 'user', user, 'version', version,
    'payload', payload)
  return append(at, 'e', event)
end

local function standing_at(at)
  local top, _, forks = head_of(at.head, at.journal)
  return string.match(forks, '([^=,]+)=%d+$'), top
end

local function still(at, key, user, value)
  redis.call('HSET', key, user, value)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end

-- Where many left, the earlier half makes room.
local function remember_end(key, at, user, epoch, offset, most)
  if redis.call('HLEN', key) >= most then
    local known, left_ms = redis.call('HGETALL', key), {}
    for index = 2, #known, 2 do left_ms[#left_ms + 1] = tonumber(string.match(known[index], '%d+$')) end
    table.sort(left_ms)
    local middle = left_ms[math.ceil(#left_ms / 2)]
    for index = 1, #known, 2 do
      if tonumber(string.match(known[index + 1], '%d+$')) <= middle then redis.call('HDEL', key, known[index]) end
    end
  end
  redis.call('HSET', key, user, epoch .. ' ' .. integer(offset) .. ' ' .. integer(now_ms()))
  redis.call('EXPIRE', key, at.ttl_s)
end

local function remembered_end(key, at, user)
  local left = redis.call('HGET', key, user)
  if not left then return end
  redis.call('EXPIRE', key, at.ttl_s)
  local epoch, offset = string.match(left, '^(%S+) (%d+)')
  return { 'repeat', epoch, offset }
end

local function titled(event, title)
  if not title or title == '' then return event end
  return '{"title":' .. cjson.encode(title) .. ',' .. string.sub(event, 2)
end
