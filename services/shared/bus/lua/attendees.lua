-- attendees: a page of those who sit in a conversation or sat there, by name, and how many are there now.
-- KEYS  1 members  2 attendees  3 seated  4 present  5 seen  6 roster
-- ARGV  1 user who asks  2 conversation  3 who may (see may.lua)  4 behind this user  5 at most so many
-- Reply {'ok', replid, 1 if there are more, users with seats, users announced, seats,
--        {user, its seats or '', 1 if announced, when last seen or '', user, ...}}; not_member, refused.
-- Those who are no members any more are forgotten here.
-- include: append
-- include: may

local master, limit = replid(), tonumber(ARGV[5])
local unable = may(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if unable then return unable end

local function forget(users)
  local roles, gone = redis.call('HMGET', KEYS[1], unpack(users)), 0
  for index, user in ipairs(users) do
    if not roles[index] then
      redis.call('ZREM', KEYS[2], user)
      redis.call('HDEL', KEYS[5], user)
      gone = gone + 1
    end
  end
  return gone
end

local from, users = ARGV[4] == '' and '-' or '(' .. ARGV[4], nil
repeat
  users = redis.call('ZRANGEBYLEX', KEYS[2], from, '+', 'LIMIT', 0, limit + 1)
until #users == 0 or forget(users) == 0
local more = #users > limit
if more then table.remove(users) end
local page = {}
for _, user in ipairs(users) do
  page[#page + 1] = user
  page[#page + 1] = redis.call('HGET', KEYS[3], user) or ''
  page[#page + 1] = redis.call('HEXISTS', KEYS[4], user)
  page[#page + 1] = redis.call('HGET', KEYS[5], user) or ''
end
local counts = { redis.call('HLEN', KEYS[3]), redis.call('HLEN', KEYS[4]), redis.call('HLEN', KEYS[6]) }
return { 'ok', master, more and 1 or 0, counts[1], counts[2], counts[3], page }
