-- thread_dump: a whole thread in Redis's own form, for a copy.
-- KEYS  1 order  2 records
-- ARGV  none
-- Reply {order, records, ms it has left or 0 if it has no end, digest of its names}; nil when there is nothing.
-- include: append
-- include: thread_digest

replid()
local order, records = redis.call('DUMP', KEYS[1]), redis.call('DUMP', KEYS[2])
if not order or not records then return false end
return { order, records, math.max(redis.call('PTTL', KEYS[1]), 0), digest(KEYS[1]) }
