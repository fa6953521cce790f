-- replay: queue anew what a turn that finished `failed` was to answer: a new turn of the same agent, for the same messages.
-- KEYS  1 conversation  2 record of the failed turn  3 fifo  4 lease  5 ready  6 dead  7 replayed  8 record of the new turn
--       9 queued
-- ARGV  1 conversation id  2 failed turn  3 new turn  4 bound of the fifo  5 format  6 bound of the letters  7 their TTL in seconds
--       8 length and 9 TTL of the journal
-- Reply {'ok' or 'repeat', new turn}; unknown, refused, full: then nothing is changed.
-- A repeat gets the turn that the first call queued, and writes once so that it can be waited for. What the failed turn said
-- and completed counts as said: the new one knows it by `done:`, and where it stands in the thread by `replays`.
-- What brought an answer to an agent brings it once more, if the agent asked again and nobody answered. If it does not ask any
-- more, the answer has come to it, or it has turned to other things: then this is a turn like others.
-- include: append
-- include: asking
-- include: dead

local MOST_REPLAYS = 100 -- turns queued anew for one message, as far as their records are kept
local letter = ARGV[1] .. ' ' .. ARGV[2]

-- Of what was deleted only the place is there: some of it is not heard, and of all nothing is left to answer.
local function messages_there(list)
  local said = false
  for id in string.gmatch(list, '[^,]+') do
    local kept = redis.call('HMGET', KEYS[1] .. ':m:' .. id, 'id', 'deleted')
    if not kept[1] then return false end
    said = said or not kept[2]
  end
  return said
end

-- What was queued anew for a message: by this its turns are found when it goes, whichever records have ended by then.
local function replays_of(message)
  local kept = {}
  for turn in string.gmatch(redis.call('HGET', message, 'replays') or '', '[^,]+') do
    if redis.call('EXISTS', KEYS[1] .. ':turn:' .. turn) == 1 then kept[#kept + 1] = turn end
  end
  return kept
end

local function too_often(list)
  for id in string.gmatch(list, '[^,]+') do
    if #replays_of(KEYS[1] .. ':m:' .. id) >= MOST_REPLAYS then return true end
  end
end

local function note_replay(list)
  for id in string.gmatch(list, '[^,]+') do
    local message = KEYS[1] .. ':m:' .. id
    local turns = replays_of(message)
    turns[#turns + 1] = ARGV[3]
    redis.call('HSET', message, 'replays', table.concat(turns, ','))
  end
end

local function answer_again(old)
  local at = { head = KEYS[1], journal = KEYS[1] .. ':journal', live = KEYS[1] .. ':live', length = tonumber(ARGV[8]),
    ttl_s = tonumber(ARGV[9]) }
  local interrupt, turn, agent = asked_by(old[10])
  redis.call('HDEL', KEYS[1] .. ':asked', interrupt)
  outcome_of(at, interrupt, 'answered', old[9], ARGV[3])
  told_as_answered(at, ARGV[1], turn, agent, interrupt, old[5], ',"user":' .. cjson.encode(old[9]) .. ',"answer":' .. old[8]
    .. ',"outcome":"answered"')
  redis.call('HSET', KEYS[8], 'resumes', interrupt, 'answer', old[8], 'answered_by', old[9], 'question', old[10])
end

local gone = redis.call('HEXISTS', KEYS[1], 'agents') == 0 or redis.call('HEXISTS', KEYS[1], 'deletion') == 1
if gone then return { 'unknown', 'there is no conversation ' .. ARGV[1] } end
local old = redis.call('HMGET', KEYS[2], 'outcome', 'replayed', 'agent', 'messages', 'trace', 'replays', 'resumes', 'answer',
  'answered_by', 'question')
if old[1] ~= 'failed' then return { 'refused', 'turn ' .. ARGV[2] .. ' is no dead letter' } end
if old[2] then
  redis.call('HSET', KEYS[2], 'replayed', old[2])
  return { 'repeat', old[2] }
end
if not redis.call('ZSCORE', KEYS[6], letter) then return { 'refused', 'turn ' .. ARGV[2] .. ' is no dead letter any more' } end
if not messages_there(old[4] or '') then return { 'refused', 'what turn ' .. ARGV[2] .. ' was to answer is gone' } end
if too_often(old[4]) then
  return { 'refused', 'what turn ' .. ARGV[2] .. ' was to answer was queued anew ' .. MOST_REPLAYS .. ' times already' }
end
local before = redis.call('LLEN', KEYS[3])
if before + 1 > tonumber(ARGV[4]) then
  return { 'full', integer(before) .. ' turns wait in ' .. ARGV[1] .. ', it takes ' .. ARGV[4] }
end

local replays = (old[6] and old[6] ~= '' and old[6] .. ',' or '') .. ARGV[2]
redis.call('HSET', KEYS[8], 'id', ARGV[3], 'conversation', ARGV[1], 'agent', old[3], 'messages', old[4], 'state', 'queued',
  'attempts', 0, 'trace', old[5] or '', 'queued_ms', integer(now_ms()), 'format', ARGV[5], 'replays', replays)
local record = redis.call('HGETALL', KEYS[2])
for i = 1, #record, 2 do
  if string.sub(record[i], 1, 5) == 'done:' then redis.call('HSET', KEYS[8], record[i], record[i + 1]) end
end
if old[7] and redis.call('HEXISTS', KEYS[1] .. ':asked', old[7]) == 1 then answer_again(old) end
note_replay(old[4])
redis.call('HSET', KEYS[1], 'touched_ms', integer(now_ms()))
redis.call('RPUSH', KEYS[3], ARGV[3])
redis.call('INCR', KEYS[9])
-- As in accept: a conversation that has a lease is drained by its holder.
if before == 0 and redis.call('EXISTS', KEYS[4]) == 0 then redis.call('XADD', KEYS[5], '*', 'c', ARGV[1]) end
redis.call('HSET', KEYS[2], 'replayed', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[7])
redis.call('ZREM', KEYS[6], letter)
keep_letter(KEYS[7], letter, tonumber(ARGV[6]), tonumber(ARGV[7]))
return { 'ok', ARGV[3] }
