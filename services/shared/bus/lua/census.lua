-- census: write down what the nodes hold.
-- KEYS  1 census
-- ARGV  1 TTL in ms  2 sums, JSON object  3.. node, JSON object, ...
-- Reply 1. Those that are not named are told of no more.
-- include: append

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'sums', '{"at_ms":' .. integer(now_ms()) .. ',' .. string.sub(ARGV[2], 2))
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
