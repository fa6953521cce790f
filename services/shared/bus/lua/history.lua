-- history: a page of kept messages, with the position they were read at and what was unfinished then.
-- KEYS  1 head  2 journal  3 members  4 order  5 open  6 spoken
-- ARGV  1 user  2 sequence number before which messages are wanted, '+inf' for the newest  3 how many
--       4 bytes of text the page may hold; one message always fits  5 conversation  6 who may (see may.lua)
-- Reply {'ok', top, low, forks, replid, 1 if there are older ones, messages {{field, value, ...}} newest first, open as in read,
--       what is asked {JSON}, settings {agents, answers, double_texting}}; not_member, refused
-- include: append
-- include: may

-- As one more field, a reaction and who put it in a line; how long it is.
local function with_reactions(head, message, kept)
  for index = 1, #kept, 2 do
    if kept[index] == 'reacted' then
      local lines = table.concat(redis.call('HKEYS', head .. ':reactions:' .. message), '\n')
      kept[#kept + 1] = 'reactions'
      kept[#kept + 1] = lines
      return #lines
    end
  end
  return 0
end

local master = replid()
local unable = may(KEYS[3], ARGV[1], ARGV[5], ARGV[6])
if unable then return unable end
local top, low, forks = head_of(KEYS[1], KEYS[2])
local limit = tonumber(ARGV[3])
local ids = redis.call('ZREVRANGEBYSCORE', KEYS[4], '(' .. ARGV[2], '-inf', 'LIMIT', 0, limit + 1)
local messages, size, more = {}, 0, #ids > limit and 1 or 0
for index = 1, math.min(#ids, limit) do
  local message = KEYS[1] .. ':m:' .. ids[index]
  size = size + redis.call('HSTRLEN', message, 'text')
  if size > tonumber(ARGV[4]) and #messages > 0 then
    more = 1
    break
  end
  local kept = redis.call('HGETALL', message)
  if #kept > 0 then
    messages[#messages + 1] = kept
    size = size + with_reactions(KEYS[1], ids[index], kept)
  end
end
return { 'ok', integer(top), integer(low), forks, master, more, messages, unfinished(KEYS[1], KEYS[5], KEYS[6]),
  redis.call('HVALS', KEYS[1] .. ':asked'), redis.call('HMGET', KEYS[1], 'agents', 'answers', 'double_texting') }
