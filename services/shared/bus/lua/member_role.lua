-- member_role: a member gets another role.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 role  7 event member.changed  8 who may (see may.lua)
--       9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused for one who may not, or when nobody would own it;
-- bad for a user who is no member; full. A repeat writes the role again.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at, by, user = here(), ARGV[4], ARGV[5]

local function owners()
  local count = 0
  for _, role in ipairs(redis.call('HVALS', KEYS[4])) do
    if role == 'owner' then count = count + 1 end
  end
  return count
end

local unable = may(KEYS[4], by, ARGV[3], ARGV[8])
if unable then return unable end
local before = redis.call('HGET', KEYS[4], user)
if not before then return { 'bad', user .. ' is not a member of ' .. ARGV[3] .. ' - at `$.user`' } end
if before == ARGV[6] then return still(at, KEYS[4], user, before) end
if before == 'owner' and owners() == 1 then return { 'refused', 'the last owner stays one: make another first' } end
local refusal = crowded()
if refusal then return refusal end
redis.call('HSET', KEYS[4], user, ARGV[6])
local epoch, offset = append(at, 'e', ARGV[7])
notify(at, ARGV[3], user, 'member.changed', ARGV[7])
audit('member.changed', by, ARGV[3], user)
return { 'ok', epoch, integer(offset) }
