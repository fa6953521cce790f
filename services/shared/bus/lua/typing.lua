-- typing: a member is typing, or has stopped: told to those who follow now, and kept nowhere.
-- KEYS  1 live  2 members
-- ARGV  1 conversation  2 user  3 event typing  4 who may (see may.lua)
-- Reply {'ok'}; not_member, refused.
-- include: append
-- include: may

replid()
local unable = may(KEYS[2], ARGV[2], ARGV[1], ARGV[4])
if unable then return unable end
publish(KEYS[1], 't', '{"time":' .. integer(now_ms()) .. ',' .. string.sub(ARGV[3], 2))
return { 'ok' }
