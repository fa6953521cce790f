-- summary: one conversation as it stands in a member's list.
-- KEYS  1 head  2 members  3 names
-- ARGV  1 user  2 members that are named at most
-- Reply {replid, role, title, created_ms, members {user, ...}, settings {agents, answers, double_texting}, number read up to,
-- how many are unread, how many members there are}; {replid} for one who is not a member. Of many, the first are named, by name;
-- where names are not kept yet (members.lua), any.
-- include: append
-- include: receipt

local master = replid()
local role = redis.call('HGET', KEYS[2], ARGV[1])
if not role then return { master } end
local fields = redis.call('HMGET', KEYS[1], 'title', 'created_ms')
local settings = redis.call('HMGET', KEYS[1], 'agents', 'answers', 'double_texting')
local seq = read_up_to(KEYS[1], ARGV[1])
local count, most = redis.call('HLEN', KEYS[2]), tonumber(ARGV[2])

local function named()
  if count <= most then return redis.call('HKEYS', KEYS[2]) end
  if redis.call('ZCARD', KEYS[3]) == count then return redis.call('ZRANGE', KEYS[3], 0, most - 1) end
  local users, some = redis.call('HKEYS', KEYS[2]), {}
  for index = 1, most do some[index] = users[index] end
  return some
end

return { master, role, fields[1], fields[2], named(), settings, integer(seq), unread_above(KEYS[1], seq), count }
