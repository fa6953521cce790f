-- start_message: an agent begins to speak, or to do something else that is streamed (a tool's call).
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 open  7 spoken  8 draft  9 kept message, of a message
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 turn id  7 message id  8 agent
--       9 event message.started, tool.started  10 further members of the header, as JSON behind a comma, or ''
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost. A message begun or kept already is a repeat: nothing changes.
-- include: append
-- include: fence

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at = here()
if redis.call('HEXISTS', KEYS[6], ARGV[7]) == 1 or KEYS[9] and redis.call('EXISTS', KEYS[9]) == 1 then
  return spoken_at(KEYS[5], standing(at))
end
local epoch, offset = append(at, 'e', ARGV[9])
redis.call('HSET', KEYS[6], ARGV[7], '{"first":' .. integer(offset) .. ',"agent":' .. cjson.encode(ARGV[8]) .. ',"turn":'
  .. cjson.encode(ARGV[6]) .. ',"attempt":' .. cjson.encode(ARGV[5]) .. ARGV[10] .. '}')
redis.call('HSET', KEYS[7], ARGV[7], 0)
redis.call('SET', KEYS[8], '', 'EX', at.ttl_s)
return spoken_at(KEYS[5], epoch, offset)
