-- beat: a node lives, and what it holds.
-- KEYS  1 nodes  2 census of the node
-- ARGV  1 node id  2 TTL of the census in ms  3.. field, value, ...
-- Reply 1 when the node was listed; 0 when it was not, or was condemned: it is new, or its seats were (or are being) freed and
-- must be entered again.
-- include: append

local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], integer(now_ms()), ARGV[1])
redis.call('DEL', KEYS[2])
if #ARGV > 2 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 3))
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return before and before ~= '0' and 1 or 0
