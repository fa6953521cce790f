-- member_remove: a user is no longer a member, or no longer invited.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left  7 invited
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 event member.left  7 users who left that are remembered
--       8 who may (see may.lua)  9 event member.declined, of one who was only invited  10 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused for one who may not; full.
-- One who left stays known for the TTL: the repeat of a leave whose reply was lost is told its first position.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at, by, user = here(), ARGV[4], ARGV[5]
local unable = may(KEYS[4], by, ARGV[3], ARGV[8])
if not unable or by == user then
  local known = remembered_end(KEYS[6], at, user)
  if known then return known end
end
if unable then return unable end
local refusal = crowded()
if refusal then return refusal end
local epoch, offset
if redis.call('HDEL', KEYS[4], user) == 1 then
  epoch, offset = change(at, 'member.left', user, ARGV[6], ARGV[6])
  audit('member.removed', by, ARGV[3], user)
elseif redis.call('HDEL', KEYS[7], user) == 1 then
  epoch, offset = change(at, 'member.declined', user, ARGV[9], ARGV[9])
  audit('member.declined', by, ARGV[3], user)
else
  return still(at, at.head, 'title', redis.call('HGET', at.head, 'title') or '')
end
remember_end(KEYS[6], at, user, epoch, offset, tonumber(ARGV[7]))
return { 'ok', epoch, integer(offset) }
