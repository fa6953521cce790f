-- member: how a change of membership is made and told. A chunk, included behind `append` and `outbox` by scripts whose KEYS[4] is the members
-- hash and KEYS[5] the partition's outbox; ARGV[3] is the conversation id.
--
-- local epoch, offset = change(at, kind, user, event, payload)   kind: member.joined or member.left; the journal's event, and
--                                                                what the user's own channel will be told through the outbox
-- local refusal = crowded()                                      full, when the outbox holds more than the relay may be behind
-- standing_at(at)                                                epoch and offset of the newest entry, for repeats

local function crowded()
  if room_in(KEYS[5]) > 0 then return end
  local waiting = redis.call('XLEN', KEYS[5])
  return { 'full', waiting .. ' changes wait to be told in this partition, it takes ' .. MOST_OUTBOX }
end

local function change(at, kind, user, event, payload)
  local version = redis.call('HINCRBY', at.head, 'members_version', 1)
  redis.call('XADD', KEYS[5], '*', 'kind', kind, 'conversation', ARGV[3], 'user', user, 'version', version,
    'payload', payload)
  return append(at, 'e', event)
end

local function standing_at(at)
  local top, _, forks = head_of(at.head, at.journal)
  return string.match(forks, '([^=,]+)=%d+$'), top
end

local function titled(event, title)
  if not title or title == '' then return event end
  return '{"title":' .. cjson.encode(title) .. ',' .. string.sub(event, 2)
end
