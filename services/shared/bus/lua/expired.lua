-- expired: conversations of one partition whose lease ran out.
-- KEYS  1 running
-- ARGV  1 at most so many
-- Reply conversation id, when its lease ended in ms, and so on: the longest expired first.
-- include: append

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(now_ms()), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
