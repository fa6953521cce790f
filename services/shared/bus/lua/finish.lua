-- finish: the one and only end of a turn.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 dead letters of the partition
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 conversation id  7 turn id
--       8 outcome  9 reason or ''  10 kind of failure or ''  11 bound of the dead letters  12 their TTL in seconds
--       13 why its trace is kept, or ''
-- Reply {epoch, offset} of its turn.finished; lease_lost. Takes back what the turn left unfinished. A finished turn is a
-- repeat: the first final's position again, one write. Who fails becomes a dead letter here, so that none is lost.
-- include: append
-- include: fence
-- include: speech
-- include: dead

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at, letters_ttl_s = here(), tonumber(ARGV[12])

-- The record is what its letter says: it must not end before it.
local function keep_record(outcome)
  redis.call('EXPIRE', KEYS[5], outcome == 'failed' and math.max(at.ttl_s, letters_ttl_s) or at.ttl_s)
end

local final = redis.call('HMGET', KEYS[5], 'state', 'epoch', 'offset', 'outcome')
if final[1] == 'finished' then
  keep_record(final[4])
  return { final[2], final[3] }
end
retract_all(at, ARGV[6], ARGV[8], ARGV[7])
local epoch, offset = finish_turn(at, ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[5], ARGV[13])
if ARGV[8] == 'failed' then
  redis.call('HSET', KEYS[5], 'kind', ARGV[10])
  keep_record('failed')
  keep_letter(KEYS[6], ARGV[6] .. ' ' .. ARGV[7], tonumber(ARGV[11]), letters_ttl_s)
end
return { epoch, integer(offset) }
