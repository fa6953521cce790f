-- tick: the tiny write whose replication is waited for.
-- KEYS  1 counter of the process
-- ARGV  1 TTL in seconds
-- Reply the replication id it was written under
-- include: append

redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return replid()
