-- member_add: a user becomes a member.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left  7 invited
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 role  7 event member.joined
--       8 who may (see may.lua)  9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused for one who may not; full.
-- A repeat keeps the role and writes it again. Who was invited is so no more.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at, user = here(), ARGV[5]
local unable = may(KEYS[4], ARGV[4], ARGV[3], ARGV[8])
if unable then return unable end
local role = redis.call('HGET', KEYS[4], user)
if role then return still(at, KEYS[4], user, role) end
local refusal = crowded()
if refusal then return refusal end
redis.call('HSET', KEYS[4], user, ARGV[6])
redis.call('HDEL', KEYS[6], user)
redis.call('HDEL', KEYS[7], user)
local title = redis.call('HGET', at.head, 'title')
local epoch, offset = change(at, 'member.joined', user, ARGV[7], titled(ARGV[7], title))
audit('member.added', ARGV[4], ARGV[3], user)
return { 'ok', epoch, integer(offset) }
