-- delta: more text of an unfinished message, or of a tool's arguments.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 open  7 spoken  8 draft
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 message id, or a call's
--       7 at: UTF-16 units before it  8 UTF-16 units of the text  9 text  10 event message.delta, tool.delta and the like
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost; refused when the message is not open or `at` is not its end.
-- A repeat (the text ends exactly where the draft does) appends nothing.
-- include: append
-- include: fence

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local spoken = tonumber(redis.call('HGET', KEYS[7], ARGV[6]) or -1)
if spoken < 0 then return { 'refused', 'message ' .. ARGV[6] .. ' is not open' } end
local at, from, units = here(), tonumber(ARGV[7]), tonumber(ARGV[8])
if from + units == spoken then return spoken_at(KEYS[5], standing(at)) end
if from ~= spoken then
  return { 'refused', 'text for unit ' .. ARGV[7] .. ' of a message that has ' .. integer(spoken) }
end
redis.call('APPEND', KEYS[8], ARGV[9])
redis.call('EXPIRE', KEYS[8], at.ttl_s)
redis.call('HINCRBY', KEYS[7], ARGV[6], units)
return spoken_at(KEYS[5], append(at, 'd', ARGV[10], ARGV[6]))
