-- versions: what a message said before it was edited or deleted.
-- KEYS  1 head  2 journal  3 live  4 members  5 message  6 what it said before
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 who may see what they said themselves  7 who may see all (see may.lua)
-- Reply {'ok', replid, {"<until when, ms> <text>", ...} the oldest first}; not_member, refused, bad.
-- include: append
-- include: may
-- include: kept

local master = replid()
local unable = kept_for(ARGV[6], ARGV[7])
if unable then return unable end
return { 'ok', master, redis.call('LRANGE', KEYS[6], 0, -1) }
