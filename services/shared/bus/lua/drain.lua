-- drain: closes out of a fleet's budget, a token bucket that all its draining pods share.
-- KEYS  1 the budget
-- ARGV  1 closes per second of the whole fleet (R)  2 most tokens kept  3 most tokens owed  4 tokens left to those who must
--       5 closes wanted  6 closes that happen anyway, at most those wanted  7 TTL in ms
-- Reply how many closes are granted, at least those that happen anyway
-- A new budget is empty, and one that a failover took back is bounded by what may be kept: so the loss of the key grants nothing.
-- A clock that went back grants nothing until it is asked again.
-- include: append

local rate, most, owed, spared = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local wanted, must = tonumber(ARGV[5]), tonumber(ARGV[6])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at_us')
local tokens, passed_us = tonumber(kept[1]) or 0, now_us() - (tonumber(kept[2]) or now_us())
if passed_us > 0 then tokens = tokens + rate * passed_us / 1000000 end
tokens = math.min(most, tokens)
local granted = math.max(must, math.min(wanted, math.floor(tokens - spared)))
tokens = math.max(-owed, tokens - granted)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at_us', integer(now_us()))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return granted
