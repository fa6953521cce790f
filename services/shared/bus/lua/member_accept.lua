-- member_accept: a user who was invited becomes a member, as by an add of whoever invited it.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left  7 invited
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for one who is not invited; full.
-- One who is a member stays what it is: that is a repeat, and it is written again.
-- include: append
-- include: outbox
-- include: member
-- include: audit

local at, user = here(), ARGV[4]
local known = redis.call('HGET', KEYS[4], user)
if known then return still(at, KEYS[4], user, known) end
local invited = redis.call('HGET', KEYS[7], user)
if not invited or redis.call('HEXISTS', at.head, 'deletion') == 1 then
  return { 'not_member', user .. ' is not invited to ' .. ARGV[3] }
end
local refusal = crowded()
if refusal then return refusal end
local role, by = string.match(invited, '^(%S+) (%S+) ')
redis.call('HSET', KEYS[4], user, role)
redis.call('HDEL', KEYS[7], user)
redis.call('HDEL', KEYS[6], user)
local event = '{"type":"member.joined","conversation":' .. cjson.encode(ARGV[3]) .. ',"user":' .. cjson.encode(user) .. ',"by":'
  .. cjson.encode(by) .. ',"role":' .. cjson.encode(role) .. '}'
local epoch, offset = change(at, 'member.joined', user, event, titled(event, redis.call('HGET', at.head, 'title')))
audit('member.added', user, ARGV[3], user)
return { 'ok', epoch, integer(offset) }
