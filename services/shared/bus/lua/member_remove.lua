-- member_remove: a user is no longer a member.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 where users left
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 event member.left  7 users who left that are remembered
--       8 who may (see may.lua)  9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused for one who may not; full.
-- One who left stays known for the TTL: the repeat of a leave whose reply was lost is told its first position.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at, by, user = here(), ARGV[4], ARGV[5]

-- Where many left, the earlier half makes room.
local function remember_leave(epoch, offset)
  if redis.call('HLEN', KEYS[6]) >= tonumber(ARGV[7]) then
    local known, left_ms = redis.call('HGETALL', KEYS[6]), {}
    for index = 2, #known, 2 do left_ms[#left_ms + 1] = tonumber(string.match(known[index], '%d+$')) end
    table.sort(left_ms)
    local middle = left_ms[math.ceil(#left_ms / 2)]
    for index = 1, #known, 2 do
      if tonumber(string.match(known[index + 1], '%d+$')) <= middle then redis.call('HDEL', KEYS[6], known[index]) end
    end
  end
  redis.call('HSET', KEYS[6], user, epoch .. ' ' .. integer(offset) .. ' ' .. integer(now_ms()))
  redis.call('EXPIRE', KEYS[6], at.ttl_s)
end

local unable, own = may(KEYS[4], by, ARGV[3], ARGV[8])
local left = redis.call('HGET', KEYS[6], user)
if left and (not unable or by == user) then
  redis.call('EXPIRE', KEYS[6], at.ttl_s)
  local epoch, offset = string.match(left, '^(%S+) (%d+)')
  return { 'repeat', epoch, offset }
end
if unable then return unable end
local refusal = crowded()
if refusal then return refusal end
if redis.call('HDEL', KEYS[4], user) == 0 then
  redis.call('HSET', KEYS[4], by, own)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end
local epoch, offset = change(at, 'member.left', user, ARGV[6], ARGV[6])
remember_leave(epoch, offset)
audit('member.removed', by, ARGV[3], user)
return { 'ok', epoch, integer(offset) }
