-- member_remove: a user is no longer a member.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 position at which this user left, if ever
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 user  6 event member.left
-- Reply {'ok' or 'repeat', epoch, offset}; not_member for `by`; refused when `by` is neither the user nor an owner.
-- One who left stays known for the TTL: the repeat of a leave whose reply was lost is told its first position.
-- include: append
-- include: member

local at, by, user = here(), ARGV[4], ARGV[5]
local own = redis.call('HGET', KEYS[4], by)
local left = redis.call('GET', KEYS[6])
local itself = by == user
if left and (own == 'owner' or itself) then
  redis.call('EXPIRE', KEYS[6], at.ttl_s)
  local epoch, offset = string.match(left, '^(%S+) (%d+)$')
  return { 'repeat', epoch, offset }
end
if not own then return { 'not_member', by .. ' is not a member of ' .. ARGV[3] } end
if own ~= 'owner' and not itself then return { 'refused', 'only an owner removes others' } end
if redis.call('HDEL', KEYS[4], user) == 0 then
  redis.call('HSET', KEYS[4], by, own)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end
local epoch, offset = change(at, 'member.left', user, ARGV[6], ARGV[6])
redis.call('SET', KEYS[6], epoch .. ' ' .. integer(offset), 'EX', at.ttl_s)
return { 'ok', epoch, integer(offset) }
