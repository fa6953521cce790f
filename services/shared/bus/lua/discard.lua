-- discard: forget one dead letter; its turn's record ends by itself.
-- KEYS  1 dead  2 replayed
-- ARGV  1 conversation id  2 turn id
-- Reply 1 forgotten, 0 there was none.

local letter = ARGV[1] .. ' ' .. ARGV[2]
return math.min(1, redis.call('ZREM', KEYS[1], letter) + redis.call('ZREM', KEYS[2], letter))
