-- deletions: conversations of one partition that are to be cleared away, taken by the caller for a while.
-- KEYS  1 deleting
-- ARGV  1 at most so many  2 how long the caller may take until somebody else goes on, ms
-- Reply conversation ids, those longest due first.
-- include: append

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(now_ms()), 'LIMIT', 0, ARGV[1])
for _, conversation in ipairs(due) do redis.call('ZADD', KEYS[1], integer(now_ms() + tonumber(ARGV[2])), conversation) end
return due
