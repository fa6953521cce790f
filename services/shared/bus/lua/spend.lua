-- spend: what the models of the running attempt have counted so far, for the turn's end.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 usage of the attempt as JSON
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost. A repeat writes the same.
-- include: append
-- include: fence

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
redis.call('HSET', KEYS[5], 'usage:' .. ARGV[5], ARGV[6])
return spoken_at(KEYS[5], standing(here()))
