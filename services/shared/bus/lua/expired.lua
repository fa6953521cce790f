-- expired: conversations of one partition whose lease ran out.
-- KEYS  1 running
-- ARGV  1 at most so many
-- Reply conversation ids, the longest expired first.
-- include: append

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(now_ms()), 'LIMIT', 0, ARGV[1])
