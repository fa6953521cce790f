-- begin: start an attempt at the turn at the head of the FIFO.
-- KEYS  1 head  2 journal  3 live  4 lease  5 fifo
-- ARGV  1 length  2 TTL  3 token, 0 where the claim that is sent with this one has yet to tell it  4 attempt id of the lease  5 conversation id  6 attempt id of this execution
--       7 turns of one agent that the conversation can go back to before
-- Reply nil when nothing waits; else {turn id, its record as a flat list, its messages as flat lists, how many questions it
-- withdrew}; lease_lost.
-- A message that can't be read is an empty list: the attempt is counted all the same, and its worker ends the turn.
-- Takes back by name what an older attempt left unfinished. A turn that brings no answer withdraws what its agent asked: the thread
-- starts anew. One that does knows from its beginning what the turn that waited had said. A turn that is to stop keeps that state
-- and is not announced as started, nor is one that only brings a thread back (`rewinds`). A repeat (same execution) changes nothing, writes once, and gets the same reply.
-- include: append
-- include: fence
-- include: speech
-- include: asking
-- include: ledger

-- The attempt's random id alone tells whose lease it is: no other claim has it.
if ARGV[3] == '0' then ARGV[3] = redis.call('HGET', KEYS[4], 'token') end
if not holds_lease() then return lease_lost() end
local at = here()
redis.call('HSET', KEYS[4], 'attempt', ARGV[4]) -- always a write: WAIT has nothing to wait for else

local function record_of(turn) return at.head .. ':turn:' .. turn end

local function head_turn()
  local turn = redis.call('LINDEX', KEYS[5], 0)
  while turn do
    local state = redis.call('HGET', record_of(turn), 'state')
    if state and state ~= 'finished' then return turn, state end
    leave_queue(at, turn)
    turn = redis.call('LINDEX', KEYS[5], 0)
  end
end

local function messages_of(record)
  local list = redis.call('HGET', record, 'messages') or ''
  local ids, kept = {}, {}
  for id in string.gmatch(list, '[^,]+') do
    ids[#ids + 1] = quoted(id)
    local message = redis.pcall('HGETALL', at.head .. ':m:' .. id)
    kept[#kept + 1] = message.err and {} or message
  end
  return '[' .. table.concat(ids, ',') .. ']', kept
end

-- Who traces tells its span, if it died.
local function note_before(record, attempt)
  if not attempt then return end
  redis.call('HSET', record, 'before', attempt, 'before_ms', redis.call('HGET', record, 'started_ms') or '0')
end

-- The user of the last of these messages.
local function author_of(kept)
  local last = kept[#kept] or {}
  for index = 1, #last, 2 do
    if last[index] == 'user' then return last[index + 1] end
  end
  return ''
end

local function take_over_said(record, agent)
  local waited = redis.call('HGET', at.head, 'waits:' .. agent)
  local fields = waited and redis.call('HGETALL', record_of(waited)) or {}
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 5) == 'done:' then redis.call('HSET', record, fields[index], fields[index + 1]) end
  end
  if waited then
    local before = redis.call('HMGET', record_of(waited), 'replays', 'asked_as')
    redis.call('HSET', record, 'asked_as', table.concat({ waited, before[1] or '', before[2] or '' }, ','))
  end
end

local function kind_of(record)
  local fields = redis.call('HMGET', record, 'replays', 'resumes')
  return fields[1] and 'p' or fields[2] and 'r' or 'f'
end

local turn, state = head_turn()
if not turn then return false end
local record = record_of(turn)
local ids, kept = messages_of(record)

local last, agent, rewinds = unpack(redis.call('HMGET', record, 'attempt', 'agent', 'rewinds'))
local withdrawn = 0
if last ~= ARGV[6] then
  retract_all(at, ARGV[5], 'superseded')
  note_before(record, last)
  redis.call('HSET', record, 'attempt', ARGV[6], 'started_ms', integer(now_ms()))
  redis.call('HINCRBY', record, 'attempts', 1)
  redis.call('HSET', KEYS[4], 'begun', turn)
  if not last and not rewinds then note_begun(at, turn, agent or '-', kept, kind_of(record), tonumber(ARGV[7])) end
  if redis.call('HEXISTS', record, 'resumes') == 1 then
    take_over_said(record, agent or '')
  elseif not rewinds then
    withdrawn = withdraw(at, ARGV[5], agent or '-', author_of(kept))
    waits_no_more(at, agent or '-')
  end
  if state ~= 'cancelling' then redis.call('HSET', record, 'state', 'running') end
  if state ~= 'cancelling' and not rewinds then
    append(at, 'e', '{"type":"turn.started"' .. traced(at, turn) .. ',"conversation":' .. quoted(ARGV[5]) .. ',"turn":'
      .. quoted(turn) .. ',"attempt":' .. quoted(ARGV[6]) .. ',"agent":' .. quoted(agent or '')
      .. ',"messages":' .. ids .. '}')
  end
end
return { turn, redis.call('HGETALL', record), kept, withdrawn }
