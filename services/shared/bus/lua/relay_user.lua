-- relay_user: apply a membership change to the user's own partition.
-- KEYS  1 head  2 journal  3 live  4 conversations  5 that the user is in this conversation no more
-- ARGV  1 length  2 TTL  3 conversation id  4 members_version of the change  5 1 joined, -1 left  6 event for #user
-- Reply 1 applied, 0 older than what is known (a repeat, or overtaken by a later change): nothing but one write.
-- An end is known for the TTL of the user's journal: an older change that is carried later than that would be taken for new.
-- include: append

local version, joined = tonumber(ARGV[4]), ARGV[5] == '1'
local listed, ended = redis.call('HGET', KEYS[4], ARGV[3]), redis.call('GET', KEYS[5])
if version <= tonumber(listed or ended or 0) then
  if listed then redis.call('HSET', KEYS[4], ARGV[3], listed) else redis.call('EXPIRE', KEYS[5], ARGV[2]) end
  return 0
end
if joined then
  redis.call('HSET', KEYS[4], ARGV[3], integer(version))
  redis.call('DEL', KEYS[5])
else
  redis.call('HDEL', KEYS[4], ARGV[3])
  redis.call('SET', KEYS[5], integer(version), 'EX', ARGV[2])
end
local at = here()
at.head_ttl_s = at.ttl_s
append(at, 'e', ARGV[6])
return 1
