-- accept: a person's message: refuse, or repeat, or keep it with its event and its turns.
-- KEYS  1 head  2 journal  3 live  4 members  5 order  6 message  7 fifo  8 lease  9 ready
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 text  7 digest of the body  8 event message.created
--       9 trace  10 bound of the fifo  11 format  12.. turn ids, as many as a conversation may have agents
-- Reply {'ok' or 'repeat', epoch, offset, turns (comma list)}; not_member, conflict, full: then nothing is stored.
-- A repeat (same id, user and body) gets the first position, and writes the digest again so that it can be waited for.
-- include: append

local at, conversation, user, message = here(), ARGV[3], ARGV[4], ARGV[5]

local function queue_turns(agents, before)
  local turns = {}
  for agent in string.gmatch(agents, '[^,]+') do
    local turn = ARGV[12 + #turns]
    turns[#turns + 1] = turn
    redis.call('HSET', at.head .. ':turn:' .. turn, 'id', turn, 'conversation', conversation, 'agent', agent, 'messages', message,
      'state', 'queued', 'attempts', 0, 'trace', ARGV[9], 'queued_ms', integer(now_ms()), 'format', ARGV[11])
    redis.call('RPUSH', KEYS[7], turn)
  end
  -- A conversation that has a lease is drained by its holder, who cannot let go while the fifo holds anything.
  if #turns > 0 and before == 0 and redis.call('EXISTS', KEYS[8]) == 0 then
    redis.call('XADD', KEYS[9], '*', 'c', conversation)
  end
  return table.concat(turns, ',')
end

if redis.call('HEXISTS', KEYS[4], user) == 0 then
  return { 'not_member', user .. ' is not a member of ' .. conversation }
end

local known = redis.call('HMGET', KEYS[6], 'user', 'digest', 'epoch', 'offset', 'turns')
if known[3] then
  if known[1] ~= user or known[2] ~= ARGV[7] then
    return { 'conflict', 'message ' .. message .. ' was said before, by another user or with another text' }
  end
  redis.call('HSET', KEYS[6], 'digest', ARGV[7])
  return { 'repeat', known[3], known[4], known[5] or '' }
end

local agents, before = redis.call('HGET', at.head, 'agents') or '', redis.call('LLEN', KEYS[7])
local wanted = select(2, string.gsub(agents, '[^,]+', ''))
if wanted > 0 and before + wanted > tonumber(ARGV[10]) then
  return { 'full', integer(before) .. ' turns wait in ' .. conversation .. ', it takes ' .. ARGV[10] }
end

local epoch, offset = append(at, 'e', ARGV[8])
local seq = integer(redis.call('HINCRBY', at.head, 'message_seq', 1))
local turns = queue_turns(agents, before)
redis.call('ZADD', KEYS[5], seq, message)
redis.call('HSET', KEYS[6], 'id', message, 'user', user, 'text', ARGV[6], 'created_ms', integer(now_ms()), 'seq', seq,
  'digest', ARGV[7], 'epoch', epoch, 'offset', integer(offset), 'turns', turns)
return { 'ok', epoch, integer(offset), turns }
