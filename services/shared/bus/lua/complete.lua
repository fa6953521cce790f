-- complete: an agent's message is finished: keep it, forget draft and deltas, tell.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 open  7 kept message  8 order
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 conversation id  7 turn id
--       8 message id  9 agent, for a message that was never started  10 text  11 text as JSON  12 usage as JSON or ''
--       13 source: the thread's message id  14 messages kept, 0 for all
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost. A kept message is a repeat: its position again, one write. Of a turn
-- that is to be rolled back nothing more is kept.
-- include: append
-- include: fence
-- include: speech
-- include: asking
-- include: trim

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at, turn, message = here(), ARGV[7], ARGV[8]
if redis.call('HGET', KEYS[5], 'stop') == 'rollback' then
  redis.call('HSET', KEYS[5], 'stop', 'rollback')
  return spoken_at(KEYS[5], standing(at))
end
redis.call('HSET', KEYS[5], 'done:' .. ARGV[13], message)

local kept = redis.call('HMGET', KEYS[7], 'epoch', 'offset')
if kept[1] then return spoken_at(KEYS[5], kept[1], tonumber(kept[2])) end

local agent, header = ARGV[9], redis.call('HGET', KEYS[6], message)
if header then
  local opened = cjson.decode(header)
  agent = opened.agent
  forget_speech(at, message, opened.first)
end
local usage = ARGV[12] ~= '' and ',"usage":' .. ARGV[12] or ''
local seq = integer(redis.call('HINCRBY', KEYS[1], 'message_seq', 1))
local epoch, offset = append(at, 'e', '{"type":"message.completed"' .. traced(at, turn) .. ',"conversation":' .. quoted(ARGV[6])
  .. ',"message":' .. quoted(message) .. ',"agent":' .. quoted(agent) .. ',"turn":' .. quoted(turn)
  .. ',"attempt":' .. quoted(ARGV[5]) .. ',"text":' .. ARGV[11] .. usage .. ',"seq":' .. seq .. '}')
redis.call('ZADD', KEYS[8], seq, message)
redis.call('HSET', KEYS[7], 'id', message, 'agent', agent, 'text', ARGV[10], 'created_ms', integer(now_ms()), 'seq', seq,
  'epoch', epoch, 'offset', integer(offset), 'turn', turn, 'attempt', ARGV[5])
trim_messages(at.head, KEYS[8], tonumber(ARGV[14]), trimmed(at, ARGV[6]))
return spoken_at(KEYS[5], epoch, offset)
