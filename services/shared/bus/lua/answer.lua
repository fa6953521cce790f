-- answer: a person's answer to what an agent waits for: refuse, or repeat, or take it and queue the turn that goes on with it.
-- KEYS  1 head  2 journal  3 live  4 members  5 asked  6 answered  7 fifo  8 lease  9 ready  10 accepted  11 queued
--       12 record of the turn
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 id of the answer, and of its turn  6 interrupt  7 answer as JSON
--       8 digest of interrupt and answer  9 trace  10 bound of the fifo  11 format  12 when the id was made, ms  13 window in ms
--       14 who may (see may.lua)  15 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset, turn, how long it was asked in ms, trace of the turn that waits}; not_member, refused, conflict,
-- outside, answered (by somebody, or withdrawn), not_asked, full: then nothing is stored.
-- Of several answers to one interrupt the first that comes here counts. The turn stands before all that waits of its agent but
-- other answers: what is queued behind it would withdraw what is still asked. A repeat (same id, user, interrupt, answer) gets the
-- first position, and writes the format again.
-- include: append
-- include: may
-- include: accepted
-- include: asking
-- include: audit

local at, conversation, user, id, interrupt = here(), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local window_ms = tonumber(ARGV[13])

-- Other answers to this agent stay in the order in which they were given.
local function queue_first(agent)
  for _, turn in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
    local waiting = redis.call('HMGET', at.head .. ':turn:' .. turn, 'state', 'agent', 'resumes')
    if waiting[1] == 'queued' and waiting[2] == agent and not waiting[3] then
      return redis.call('LINSERT', KEYS[7], 'BEFORE', turn, id)
    end
  end
  redis.call('RPUSH', KEYS[7], id)
end

-- By this its record is found when the message goes.
local function note_on_message(messages)
  local key, turns = at.head .. ':m:' .. (string.match(messages, '[^,]+') or ''), {}
  for turn in string.gmatch(redis.call('HGET', key, 'resumes') or '', '[^,]+') do
    if redis.call('EXISTS', at.head .. ':turn:' .. turn) == 1 then turns[#turns + 1] = turn end
  end
  turns[#turns + 1] = id
  redis.call('HSET', key, 'resumes', table.concat(turns, ','))
end

local unable = may(KEYS[4], user, conversation, ARGV[14])
if unable then return unable end

local speaker, digest, first_epoch, first_offset, first_turn = taken_before(KEYS[10], id)
if speaker then
  if speaker ~= user or digest ~= ARGV[8] then
    return { 'conflict', 'id ' .. id .. ' was used before, by another user or for something else' }
  end
  redis.call('HSET', at.head, 'format', ARGV[11])
  return { 'repeat', first_epoch, first_offset, first_turn, '0', '' }
end
local refusal = too_far('answer', id, tonumber(ARGV[12]), window_ms)
if refusal then return refusal end
if redis.call('EXISTS', KEYS[12], at.head .. ':m:' .. id) > 0 then
  return { 'conflict', 'id ' .. id .. ' is that of a turn or a message' }
end

local entry = redis.call('HGET', KEYS[5], interrupt)
if not entry then
  local known = redis.call('HGET', KEYS[6], interrupt)
  if known then return { 'answered', outcome_told(known) } end
  return { 'not_asked', 'nothing here waits for an answer to ' .. interrupt }
end
local before = redis.call('LLEN', KEYS[7])
if before + 1 > tonumber(ARGV[10]) then
  return { 'full', integer(before) .. ' turns wait in ' .. conversation .. ', it takes ' .. ARGV[10] }
end

local _, turn, agent, asked_ms = asked_by(entry)
local source = at.head .. ':turn:' .. (redis.call('HGET', at.head, 'waits:' .. agent) or turn)
local waiting = redis.call('HMGET', source, 'messages', 'trace')
local messages = waiting[1] or ''
redis.call('HDEL', KEYS[5], interrupt)
outcome_of(at, interrupt, 'answered', user, id)
local epoch, offset = told_as_answered(at, conversation, turn, agent, interrupt, ARGV[9],
  ',"user":' .. cjson.encode(user) .. ',"answer":' .. ARGV[7] .. ',"outcome":"answered"')
redis.call('HSET', KEYS[12], 'id', id, 'conversation', conversation, 'agent', agent, 'messages', messages, 'state', 'queued',
  'attempts', 0, 'trace', ARGV[9], 'queued_ms', integer(now_ms()), 'format', ARGV[11], 'resumes', interrupt, 'answer', ARGV[7],
  'answered_by', user, 'question', entry)
queue_first(agent)
redis.call('INCR', KEYS[11])
note_on_message(messages)
-- As in accept: a conversation that has a lease is drained by its holder.
if before == 0 and redis.call('EXISTS', KEYS[8]) == 0 then redis.call('XADD', KEYS[9], '*', 'c', conversation) end
remember_id(KEYS[10], id, kept_for_ms(window_ms), user, ARGV[8], epoch, offset, id)
audit('answered', user, conversation, interrupt)
return { 'ok', epoch, integer(offset), id, integer(now_ms() - asked_ms), waiting[2] or '' }
