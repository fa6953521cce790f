-- members: all who are in a conversation.
-- KEYS  1 members  2 how far they have read
-- ARGV  1 user who asks  2 conversation  3 who may (see may.lua)
-- Reply {'ok', replid, {user, role, ...}, {user, number of the last message read, ...}}, in no order: how a server sorts text is a
-- matter of where it stands; not_member, refused.
-- include: append
-- include: may

local master = replid()
local unable = may(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if unable then return unable end
return { 'ok', master, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
