-- roster_enter: a connection takes its seat in a conversation.
-- KEYS  1 roster  2 present  3 seated  4 departing  5 live  6 members  7 attendees  8 seen  9 crowds of the partition
-- ARGV  1 connection  2 user  3 seat, JSON {user, node, info, stamp}  4 "<cid> <user>"  5 ClientInfo, JSON  6 conversation
--       7 users above which numbers are told  8 least ms between these  9 and the last key: see audit.lua
-- Reply 1 when the user was not present before (a join was told, or counted), else 0. A repeat changes nothing.
-- Keeps the rule of services/presence/core/machine.py.
-- Where nobody is a member, as in a conversation that is deleted, nobody sits: what would be written here nobody would clear away.
-- include: append
-- include: audit
-- include: crowd

if redis.call('EXISTS', KEYS[6]) == 0 then return 0 end
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
  audit('joined', ARGV[2], ARGV[6], '')
end
redis.call('ZREM', KEYS[4], ARGV[4])
redis.call('ZADD', KEYS[7], 0, ARGV[2])
redis.call('HDEL', KEYS[8], ARGV[2])
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[5]) == 0 then return 0 end
tell('j', ARGV[5], redis.call('HLEN', KEYS[2]), KEYS[5], KEYS[9], ARGV[6], ARGV[7], ARGV[8])
return 1
