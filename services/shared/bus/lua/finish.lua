-- finish: the one and only end of a turn.
-- KEYS  1 head  2 journal  3 live  4 lease  5 turn record  6 dead letters of the partition
-- ARGV  1 length  2 TTL  3 token  4 attempt id of the lease  5 attempt id of the execution  6 conversation id  7 turn id
--       8 outcome  9 reason or ''  10 kind of failure or ''  11 bound of the dead letters  12 their TTL in seconds
--       13 why its trace is kept, or ''  14 '1' when the thread stands before the turn, '0' when it can't be brought there, else ''
--       15 '1' when the thread never got the turn's messages  16 '1' if it is known what the agent's thread waits for, else '0'
--       17 what the models of this attempt counted, as JSON, or ''
--       18.. of each interrupt it waits for: its id, event input.requested, entry of :asked without its time
-- Reply {epoch, offset of its turn.finished, how much was asked, how much withdrawn}; lease_lost; roll_back when the turn is to be
-- rolled back, and its thread is not. Takes back what the turn left unfinished. A finished turn is a repeat: the first final's
-- position again, one write. Who fails becomes a dead letter here, so that none is lost.
-- What is asked is what the thread waits for, no more and no less: what it asks and nobody is to answer yet is told, in this same
-- step, and what it does not ask any more is withdrawn. An answer whose turn failed has not come to the thread: it is asked anew.
-- Why a cancelled turn ended is said by its record's `stop`, so it is told the same whoever ends it. The messages of an interrupted
-- one that its thread never got go to the front of the next turn's of that agent.
-- A turn that only brought a thread back is no answer: it ends without a word, but for one that failed, which is no letter.
-- include: append
-- include: fence
-- include: speech
-- include: asking
-- include: dead
-- include: heard

if not may_speak(KEYS[5], ARGV[5]) then return lease_lost() end
local at, letters_ttl_s = here(), tonumber(ARGV[12])

-- The record is what its letter says: it must not end before it.
local function keep_record(outcome)
  local agent = redis.call('HGET', KEYS[5], 'agent') or '-'
  if redis.call('HGET', at.head, 'waits:' .. agent) == ARGV[7] then return redis.call('HSET', KEYS[5], 'state', 'finished') end
  redis.call('EXPIRE', KEYS[5], outcome == 'failed' and math.max(at.ttl_s, letters_ttl_s) or at.ttl_s)
end

local function is_asked(interrupt) return redis.call('HEXISTS', at.head .. ':asked', interrupt) == 1 end

-- Whether an answer to it is on its way: it waits, or is just being taken to the thread by another turn.
local function is_answered(interrupt)
  local known = redis.call('HGET', at.head .. ':answered', interrupt)
  local said = known and cjson.decode(known)
  if not said or said.outcome ~= 'answered' or said.turn == ARGV[7] then return false end
  local state = redis.call('HGET', at.head .. ':turn:' .. said.turn, 'state')
  return state and state ~= 'finished'
end

local function ask(interrupt, event, entry)
  append(at, 'e', event)
  redis.call('HSET', at.head .. ':asked', interrupt, '{"time":' .. integer(now_ms()) .. ',' .. string.sub(entry, 2))
  redis.call('HDEL', at.head .. ':answered', interrupt)
end

local function ask_new()
  local waited_for, asked = {}, 0
  for index = 18, #ARGV, 3 do
    waited_for[ARGV[index]] = true
    if not is_asked(ARGV[index]) and not is_answered(ARGV[index]) then
      ask(ARGV[index], ARGV[index + 1], ARGV[index + 2])
      asked = asked + 1
    end
  end
  return waited_for, asked
end

-- Nobody knows where the thread stands; but this turn's answer is not known to have come to it.
local function ask_again()
  local question = redis.call('HGET', KEYS[5], 'question')
  local interrupt, turn, agent = asked_by(question or '')
  if not interrupt or is_asked(interrupt) then return 0 end
  local rest = string.match(question, '^{"time":%d+,"interrupt":"[^"]*","turn":"[^"]*","agent":"[^"]*",(.*)$')
  local event = '{"type":"input.requested"' .. traced(at, ARGV[7]) .. ',"conversation":' .. quoted(ARGV[6]) .. ',"turn":'
    .. quoted(turn) .. ',"agent":' .. quoted(agent) .. ',"interrupt":' .. quoted(interrupt) .. ',' .. rest
  ask(interrupt, event, (string.gsub(question, '"time":%d+,', '', 1)))
  return 1
end

-- What is asked now, and for how long the record of this turn is needed: as long as its agent's thread waits since.
local function settle_asked(agent)
  local asked, gone = 0, 0
  if ARGV[16] == '1' then
    local waited_for
    waited_for, asked = ask_new()
    gone = withdraw(at, ARGV[6], agent, '', waited_for)
    if next(waited_for) then waits_after(at, agent, ARGV[7]) else waits_no_more(at, agent) end
  elseif ARGV[8] == 'failed' and redis.call('HEXISTS', KEYS[5], 'resumes') == 1 then
    asked = ask_again()
    waits_after(at, agent, ARGV[7])
  end
  return asked, gone
end

local rewinds = redis.call('HEXISTS', KEYS[5], 'rewinds') == 1
local final = redis.call('HMGET', KEYS[5], 'state', 'epoch', 'offset', 'outcome')
if final[1] == 'finished' then
  keep_record(final[4])
  return { final[2], final[3], 0, 0 }
end
if rewinds and ARGV[8] == 'completed' then
  local epoch, offset = standing(at)
  end_record(at, ARGV[7], 'completed', '', epoch, offset)
  return { epoch, integer(offset), 0, 0 }
end
local stop = redis.call('HGET', KEYS[5], 'stop') or ''
if stop == 'rollback' and ARGV[14] == '' then
  redis.call('HSET', KEYS[5], 'stop', stop) -- a write to wait for
  return { 'roll_back', 'turn ' .. ARGV[7] .. ' is to be rolled back' }
end

local function next_of(agent)
  for _, turn in ipairs(redis.call('LRANGE', at.head .. ':fifo', 0, -1)) do
    local record = at.head .. ':turn:' .. turn
    local next = redis.call('HMGET', record, 'agent', 'state', 'replays', 'resumes', 'rewinds')
    if next[1] == agent and next[2] == 'queued' and not next[3] and not next[4] and not next[5] then return turn, record end
  end
end

local function pass_on()
  local ended = redis.call('HMGET', KEYS[5], 'agent', 'messages', 'replays', 'resumes')
  if ended[3] or ended[4] or not ended[2] or ended[2] == '' then return end
  local turn, record = next_of(ended[1])
  if not turn then return end
  redis.call('HSET', record, 'messages', ended[2] .. ',' .. redis.call('HGET', record, 'messages'))
  for message in string.gmatch(ended[2], '[^,]+') do note_heard(at.head .. ':m:' .. message, turn, ARGV[7]) end
end

if ARGV[17] ~= '' then redis.call('HSET', KEYS[5], 'usage:' .. ARGV[5], ARGV[17]) end
local reason, taken = ARGV[9], ARGV[8]
if ARGV[8] == 'cancelled' and stop == 'interrupt' then reason = 'interrupted' end
if ARGV[8] == 'cancelled' and stop == 'rollback' then reason, taken = 'rolled back', 'rolled back' end
retract_all(at, ARGV[6], taken, ARGV[7])
local agent = redis.call('HGET', KEYS[5], 'agent') or '-'
local asked, gone = settle_asked(agent)
if taken == 'rolled back' then take_back(at, ARGV[6], ARGV[7], taken) end
local epoch, offset = finish_turn(at, ARGV[6], ARGV[7], ARGV[8], reason, ARGV[5], ARGV[13],
  usage_of(KEYS[5]))
if redis.call('HGET', at.head, 'waits:' .. agent) == ARGV[7] then redis.call('PERSIST', KEYS[5]) end
if reason == 'interrupted' and ARGV[15] == '1' then pass_on() end
if ARGV[8] == 'failed' and not rewinds then
  redis.call('HSET', KEYS[5], 'kind', ARGV[10], 'kept_s', integer(math.max(at.ttl_s, letters_ttl_s)))
  keep_record('failed')
  keep_letter(KEYS[6], ARGV[6] .. ' ' .. ARGV[7], tonumber(ARGV[11]), letters_ttl_s)
end
return { epoch, integer(offset), asked, gone }
