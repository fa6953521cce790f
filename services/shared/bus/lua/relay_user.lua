-- relay_user: apply a membership change to the user's own partition.
-- KEYS  1 head  2 journal  3 live  4 conversations
-- ARGV  1 length  2 TTL  3 conversation id  4 members_version of the change  5 1 joined, -1 left  6 event for #user
-- Reply 1 applied, 0 older than what is known (a repeat, or overtaken by a later change): nothing but one write.
-- include: append

local version = tonumber(ARGV[4])
local known = tonumber(redis.call('HGET', KEYS[4], ARGV[3]) or 0)
if version <= math.abs(known) then
  redis.call('HSET', KEYS[4], ARGV[3], integer(known))
  return 0
end
redis.call('HSET', KEYS[4], ARGV[3], integer(version * tonumber(ARGV[5])))
local at = here()
at.head_ttl_s = at.ttl_s
append(at, 'e', ARGV[6])
return 1
