-- member_decline: a user who was invited does not become a member.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left  7 invited
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 event member.declined  6 users who left that are remembered
--       7 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for one who is not invited; refused for a member; full.
-- Who declined stays known for the TTL, as who left does.
-- include: append
-- include: outbox
-- include: member
-- include: audit

local at, user = here(), ARGV[4]
if redis.call('HEXISTS', KEYS[4], user) == 1 then return { 'refused', user .. ' is a member already, and can leave' } end
local known = remembered_end(KEYS[6], at, user)
if known then return known end
if redis.call('HEXISTS', KEYS[7], user) == 0 or redis.call('HEXISTS', at.head, 'deletion') == 1 then
  return { 'not_member', user .. ' is not invited to ' .. ARGV[3] }
end
local refusal = crowded()
if refusal then return refusal end
redis.call('HDEL', KEYS[7], user)
local epoch, offset = change(at, 'member.declined', user, ARGV[5], ARGV[5])
remember_end(KEYS[6], at, user, epoch, offset, tonumber(ARGV[6]))
audit('member.declined', user, ARGV[3], user)
return { 'ok', epoch, integer(offset) }
