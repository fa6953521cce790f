-- configure: change who answers in a conversation, and how.
-- KEYS  1 head  2 journal  3 live  4 members
-- ARGV  1 length  2 TTL  3 conversation  4 user who asks  5 agents (comma list) or '' to leave them  6 answers (JSON: agent -> when)
--       or '': of these agents, the others' stay  7 way of double texting or ''  8 format
--       9 who may (see may.lua); the last, and the last key: see audit.lua
-- Reply {'ok', epoch, offset} of its conversation.updated, or of the newest entry where nothing changed: a repeat is harmless, and
-- writes the format again; not_member; refused for one who may not; bad: answers for one who is no agent of it.
-- An agent that is new has heard nothing; one that comes again has heard what it had. What it was asked before it went, it answers.
-- include: append
-- include: may
-- include: fence
-- include: audit

local at, conversation, user = here(), ARGV[3], ARGV[4]
local unable = may(KEYS[4], user, conversation, ARGV[9])
if unable then return unable end

local fields = redis.call('HMGET', at.head, 'title', 'agents', 'answers', 'double_texting')
local agents = ARGV[5] ~= '' and ARGV[5] or fields[2] or ''
local there, answers = {}, {}
for agent in string.gmatch(agents, '[^,]+') do there[#there + 1] = agent end

local function merge(text)
  for agent, when in pairs(text and text ~= '' and cjson.decode(text) or {}) do answers[agent] = when end
end
merge(fields[3])
merge(ARGV[6])

-- In the agents' order, so that the same settings are the same text.
local function told(list)
  local parts = {}
  for _, agent in ipairs(list) do
    if answers[agent] then parts[#parts + 1] = cjson.encode(agent) .. ':' .. cjson.encode(answers[agent]) end
  end
  return '{' .. table.concat(parts, ',') .. '}'
end

local function stranger()
  local known = {}
  for _, agent in ipairs(there) do known[agent] = true end
  for agent in pairs(ARGV[6] ~= '' and cjson.decode(ARGV[6]) or {}) do
    if not known[agent] then return agent end
  end
end

local nobody = stranger()
if nobody then return { 'bad', 'answers: ' .. nobody .. ' is no agent of ' .. conversation } end

local changed, said = { 'format', ARGV[8] }, ''
local function change(field, value, before, json)
  if value == before then return end
  changed[#changed + 1] = field
  changed[#changed + 1] = value
  said = said .. ',"' .. field .. '":' .. json
end

local quoted = {}
for index, agent in ipairs(there) do quoted[index] = cjson.encode(agent) end
change('agents', agents, fields[2] or '', '[' .. table.concat(quoted, ',') .. ']')
local merged = told(there)
change('answers', merged, fields[3] or '{}', merged)
local way = ARGV[7] ~= '' and ARGV[7] or fields[4] or 'enqueue'
change('double_texting', way, fields[4] or 'enqueue', cjson.encode(way))
redis.call('HSET', at.head, unpack(changed))
if said == '' then
  local epoch, offset = standing(at)
  return { 'ok', epoch, integer(offset) }
end
for agent in string.gmatch(fields[2] or '', '[^,]+') do
  redis.call('HSETNX', at.head, 'heard:' .. agent, redis.call('HGET', at.head, 'message_seq') or 0)
end
for _, agent in ipairs(there) do
  if not string.find(',' .. (fields[2] or '') .. ',', ',' .. agent .. ',', 1, true) then
    redis.call('HSETNX', at.head, 'heard:' .. agent, 0)
  end
end
local epoch, offset = append(at, 'e', '{"type":"conversation.updated","conversation":' .. cjson.encode(conversation) .. ',"title":'
  .. cjson.encode(fields[1] or '') .. ',"by":' .. cjson.encode(user) .. said .. '}')
audit('configured', user, conversation, '')
return { 'ok', epoch, integer(offset) }
