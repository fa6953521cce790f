-- delete_step: clear away some of a deleted conversation; the last step leaves nothing.
-- KEYS  1 head  2 leaving  3 order  4 open  5 outbox  6 departing  7 deleting  8 ready  9 aging
--       10.. keys that go whole, at the end
-- ARGV  1 conversation  2 at most so many things  3 how long the caller may take until somebody else goes on, ms
--       4 replication id of the master whose stock saver's keys are gone, or ''
-- Reply 'more'; 'later' when the outbox has no room now; 'foreign' when the stock saver's keys are to be found first, on this
-- master; 'gone' when nothing is left.
-- Each step is whole by itself, so it can be done by several, and gone on with by anybody after a crash.
-- include: append
-- include: trim
-- include: outbox

local head, conversation, most = KEYS[1], ARGV[1], tonumber(ARGV[2])

-- Members, and then who was invited.
local function tell_some(key)
  local room = math.min(most, room_in(KEYS[5]))
  if room == 0 and redis.call('EXISTS', key) == 1 then return 'later' end
  local event, version = unpack(redis.call('HMGET', head, 'deletion', 'members_version'))
  local users = redis.call('HRANDFIELD', key, room)
  for _, user in ipairs(users) do
    redis.call('XADD', KEYS[5], '*', 'kind', 'conversation.deleted', 'conversation', conversation, 'user', user, 'version', version,
      'payload', event)
    redis.call('ZREM', KEYS[6], conversation .. ' ' .. user)
    redis.call('HDEL', key, user)
  end
  return #users > 0 and 'more'
end

local function drop_messages()
  local messages = redis.call('ZRANGE', KEYS[3], 0, most - 1)
  for _, message in ipairs(messages) do
    for _, turn in ipairs(turns_of(head, message)) do drop_turn(head, turn) end
    redis.call('UNLINK', head .. ':m:' .. message, head .. ':versions:' .. message, head .. ':reactions:' .. message)
    redis.call('ZREM', KEYS[3], message)
  end
  return #messages > 0
end

local function drop_drafts()
  for _, message in ipairs(redis.call('HKEYS', KEYS[4])) do redis.call('UNLINK', head .. ':draft:' .. message) end
end

-- Word that it has work: whoever claims it finds nothing, but nobody may be there. What is far behind waits for who claims it.
local function drop_words()
  for _, entry in ipairs(redis.call('XRANGE', KEYS[8], '-', '+', 'COUNT', 1000)) do
    if entry[2][2] == conversation then
      redis.call('XACK', KEYS[8], 'workers', entry[1])
      redis.call('XDEL', KEYS[8], entry[1])
    end
  end
end

-- Also of those that are agents of it no more: all that were ever asked have a field.
local function drop_threads()
  local agents = { '' }
  for agent in string.gmatch(redis.call('HGET', head, 'agents') or '', '[^,]+') do agents[#agents + 1] = agent end
  for _, field in ipairs(redis.call('HKEYS', head)) do
    local agent = string.match(field, '^heard:(.+)$')
    if agent then agents[#agents + 1] = agent end
  end
  for _, agent in ipairs(agents) do
    redis.call('UNLINK', head .. ':thread:' .. agent .. ':order', head .. ':thread:' .. agent .. ':records')
  end
end

local master = replid()
if not redis.call('ZSCORE', KEYS[7], conversation) then return 'gone' end
redis.call('ZADD', KEYS[7], integer(now_ms() + tonumber(ARGV[3])), conversation)
local word = tell_some(KEYS[2]) or tell_some(head .. ':invited') or drop_messages() and 'more'
if word then return word end
if redis.call('HEXISTS', head, 'foreign') == 1 and ARGV[4] ~= master then return 'foreign' end
drop_drafts()
drop_words()
drop_threads()
for index = 10, #KEYS do redis.call('UNLINK', KEYS[index]) end
redis.call('UNLINK', head)
redis.call('ZREM', KEYS[7], conversation)
redis.call('ZREM', KEYS[9], conversation)
return 'gone'
