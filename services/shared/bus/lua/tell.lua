-- tell: an event of the running attempt that is told once, by its number; it may end what was streamed.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 open
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution
--       6 its number: each that an execution tells has a higher one  7 what it ends, by the id it has in `open`, or ''  8 event
-- Reply {epoch, offset, 1 if the turn is to stop}; lease_lost. A number that was told is a repeat: one write, and no event.
-- What it ends may have gone from `open` in a failover: it is told all the same.
-- include: append
-- include: fence
-- include: speech

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at = here()
local attempt, number = string.match(redis.call('HGET', KEYS[5], 'told') or '', '^(%S+) (%d+)$')
if attempt == ARGV[5] and tonumber(number) >= tonumber(ARGV[6]) then
  redis.call('HSET', KEYS[5], 'told', attempt .. ' ' .. number)
  return spoken_at(KEYS[5], standing(at))
end
redis.call('HSET', KEYS[5], 'told', ARGV[5] .. ' ' .. ARGV[6])
local header = redis.call('HGET', KEYS[6], ARGV[7])
if header then forget_speech(at, ARGV[7], cjson.decode(header).first) end
return spoken_at(KEYS[5], append(at, 'e', ARGV[8]))
