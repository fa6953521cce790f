-- scan: some of all keys, for the inventory.
-- KEYS  none
-- ARGV  1 cursor  2 how many keys to look at
-- Reply {replid, next cursor, {key, ...}}; the same key may come again.
-- include: append

local master = replid()
local found = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2])
return { master, found[1], found[2] }
