-- thread_scan: some keys whose names match, for finding all threads.
-- KEYS  none
-- ARGV  1 cursor  2 pattern  3 how many keys to look at
-- Reply {replid, next cursor, {key, ...}}; the same key may come again.
-- include: append

local master = replid()
local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'zset')
return { master, found[1], found[2] }
