-- members: a page of those who are in a conversation, by name.
-- KEYS  1 members  2 how far they have read  3 names
-- ARGV  1 user who asks  2 conversation  3 who may (see may.lua)  4 behind this user  5 at most so many
-- Reply {'ok', replid, 1 if there are more, {user, role, number of the last message read or '', user, ...}}, in the order of the
-- names' bytes; not_member, refused.
-- Who changes members keeps the names in order (member.lua), so a page costs what it holds. Where the names are not those of the
-- members, as in a conversation of an earlier release, they are made anew, once.
-- include: append
-- include: may

local master, limit = replid(), tonumber(ARGV[5])
local unable = may(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if unable then return unable end

local function name_all()
  local users, some = redis.call('HKEYS', KEYS[1]), {}
  redis.call('DEL', KEYS[3])
  for index, user in ipairs(users) do
    some[#some + 1] = 0
    some[#some + 1] = user
    if #some >= 1000 or index == #users then
      redis.call('ZADD', KEYS[3], unpack(some))
      some = {}
    end
  end
end

local function page_of_names()
  local users = redis.call('ZRANGEBYLEX', KEYS[3], ARGV[4] == '' and '-' or '(' .. ARGV[4], '+', 'LIMIT', 0, limit + 1)
  if #users == 0 then return {}, {}, {} end
  return users, redis.call('HMGET', KEYS[1], unpack(users)), redis.call('HMGET', KEYS[2], unpack(users))
end

if redis.call('ZCARD', KEYS[3]) ~= redis.call('HLEN', KEYS[1]) then name_all() end
local users, roles, reads = page_of_names()
for index = 1, #users do
  if not roles[index] then
    name_all()
    users, roles, reads = page_of_names()
    break
  end
end
local page = {}
for index = 1, math.min(#users, limit) do
  page[#page + 1] = users[index]
  page[#page + 1] = roles[index]
  page[#page + 1] = reads[index] or ''
end
return { 'ok', master, #users > limit and 1 or 0, page }
