-- react: a member puts a reaction to a message, or takes it back.
-- KEYS  1 head  2 journal  3 live  4 members  5 message  6 reactions to it
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 reaction  7 '1' to put it, '0' to take it back
--       8 kinds of reactions a message may have  9 reactions in all  10 who may (see may.lua)
-- Reply {'ok' or 'repeat', epoch, offset}; not_member, refused, bad.
-- What is so already is a repeat: where the journal stands, one write.
-- include: append
-- include: may
-- include: outbox
-- include: member

local at, user, reaction, on = here(), ARGV[4], ARGV[6], ARGV[7] == '1'
local field = reaction .. ' ' .. user
local unable, role = may(KEYS[4], user, ARGV[3], ARGV[10])
if unable then return unable end
local kept = redis.call('HMGET', KEYS[5], 'seq', 'deleted')
if not kept[1] then return { 'bad', 'id: there is no message ' .. ARGV[5] .. ' in ' .. ARGV[3] } end
if (redis.call('HEXISTS', KEYS[6], field) == 1) == on then
  redis.call('HSET', KEYS[4], user, role)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end

local function too_many()
  local known, kinds, count = redis.call('HKEYS', KEYS[6]), {}, 0
  if #known >= tonumber(ARGV[9]) then return { 'refused', 'message ' .. ARGV[5] .. ' has ' .. #known .. ' reactions, no more' } end
  for _, one in ipairs(known) do
    local kind = string.match(one, '^%S+')
    if kind == reaction then return end
    if not kinds[kind] then
      kinds[kind] = true
      count = count + 1
    end
  end
  if count >= tonumber(ARGV[8]) then
    return { 'refused', 'message ' .. ARGV[5] .. ' has ' .. count .. ' kinds of reactions, no more' }
  end
end

if on then
  if kept[2] then return { 'refused', 'message ' .. ARGV[5] .. ' was deleted' } end
  local refusal = too_many()
  if refusal then return refusal end
  redis.call('HSET', KEYS[6], field, integer(now_ms()))
else
  redis.call('HDEL', KEYS[6], field)
end
local count = redis.call('HLEN', KEYS[6])
if count > 0 then redis.call('HSET', KEYS[5], 'reacted', count) else redis.call('HDEL', KEYS[5], 'reacted') end
local epoch, offset = append(at, 'e', '{"type":"message.reacted","conversation":' .. cjson.encode(ARGV[3]) .. ',"message":'
  .. cjson.encode(ARGV[5]) .. ',"user":' .. cjson.encode(user) .. ',"reaction":' .. cjson.encode(reaction) .. ',"on":'
  .. (on and 'true' or 'false') .. '}')
return { 'ok', epoch, integer(offset) }
