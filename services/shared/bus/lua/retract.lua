-- retract: take back an unfinished message of the running attempt.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 open
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 conversation id  7 message id
--       8 reason
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost. A message that is not open is a repeat: nothing changes.
-- include: append
-- include: fence
-- include: speech

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at = here()
if redis.call('HEXISTS', KEYS[6], ARGV[7]) == 0 then return spoken_at(KEYS[5], standing(at)) end
return spoken_at(KEYS[5], retract(at, ARGV[6], ARGV[7], ARGV[8]))
