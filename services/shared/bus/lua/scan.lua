-- scan: some of all keys.
-- KEYS  none
-- ARGV  1 cursor  2 how many keys to look at  3 pattern of the names wanted
-- Reply {replid, next cursor, {key, ...}}; the same key may come again.
-- include: append

local master = replid()
local found = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2], 'MATCH', ARGV[3])
return { master, found[1], found[2] }
