-- roster_enter: a connection takes its seat in a conversation.
-- KEYS  1 roster  2 present  3 seated  4 departing  5 live  6 members
-- ARGV  1 connection  2 user  3 seat, JSON {user, node, info, stamp}  4 "<cid> <user>"  5 ClientInfo, JSON  6 conversation
--       7 and the last key: see audit.lua
-- Reply 1 when the user was not present before (a join was published), else 0. A repeat changes nothing.
-- Keeps the rule of services/presence/core/machine.py.
-- Where nobody is a member, as in a conversation that is deleted, nobody sits: what would be written here nobody would clear away.
-- include: append
-- include: audit

if redis.call('EXISTS', KEYS[6]) == 0 then return 0 end
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
  audit('joined', ARGV[2], ARGV[6], '')
end
redis.call('ZREM', KEYS[4], ARGV[4])
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[5]) == 0 then return 0 end
publish(KEYS[5], 'j', ARGV[5])
return 1
