-- finish: the one and only end of a turn.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 conversation id  7 turn id
--       8 outcome  9 reason or ''
-- Reply {epoch, offset} of its turn.finished; lease_lost. Takes back what the turn left unfinished. A finished turn is a
-- repeat: the first final's position again, one write.
-- include: append
-- include: fence
-- include: speech

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at = here()
local final = redis.call('HMGET', KEYS[5], 'state', 'epoch', 'offset')
if final[1] == 'finished' then
  redis.call('EXPIRE', KEYS[5], at.ttl_s)
  return { final[2], final[3] }
end
retract_all(at, ARGV[6], ARGV[8], ARGV[7])
local epoch, offset = finish_turn(at, ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[5])
return { epoch, integer(offset) }
