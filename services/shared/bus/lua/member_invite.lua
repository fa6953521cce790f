-- member_invite: a user is asked to become a member.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left  7 invited
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 role  7 event member.invited  8 who may (see may.lua)
--       9 users who may be invited at once; 10 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused for one who may not, or where too many are invited; full.
-- One who is a member, or invited already, stays what it is: that is a repeat, and it is written again.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at, by, user = here(), ARGV[4], ARGV[5]
local unable = may(KEYS[4], by, ARGV[3], ARGV[8])
if unable then return unable end
for _, key in ipairs({ KEYS[4], KEYS[7] }) do
  local known = redis.call('HGET', key, user)
  if known then return still(at, key, user, known) end
end
if redis.call('HLEN', KEYS[7]) >= tonumber(ARGV[9]) then
  return { 'refused', ARGV[9] .. ' users are invited, and have not answered: no more can be' }
end
local refusal = crowded()
if refusal then return refusal end
redis.call('HSET', KEYS[7], user, ARGV[6] .. ' ' .. by .. ' ' .. integer(now_ms()))
redis.call('HDEL', KEYS[6], user)
local title = redis.call('HGET', at.head, 'title')
local epoch, offset = change(at, 'member.invited', user, ARGV[7], titled(ARGV[7], title))
audit('member.invited', by, ARGV[3], user)
return { 'ok', epoch, integer(offset) }
