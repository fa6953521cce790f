-- rewind: a person takes a conversation back to one of its messages: refuse, or repeat, or do it.
-- KEYS  1 head  2 journal  3 live  4 members  5 order  6 message  7 fifo  8 lease  9 ready  10 accepted  11 queued  12 outbox
--       13 begun
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 id of the rewind  6 message  7 its new text, '' to leave it
--       8 '1' to ask it again, '0' to take it out, too  9 digest of what is asked for  10 trace  11 bound of the fifo  12 format
--       13 when the id was made, ms  14 window in ms  15 '1' when all conversations together have too many turns waiting
--       16 words behind `@` in the new text (as accept has it)  17 messages a turn answers at most
--       18 who may, and  19 who may whatever others said (see may.lua)
--       20 how many ids follow for turns that ask; 21.. these, and ids for turns that bring threads back;
--       the last, and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset of its conversation.rewound, turns that ask anew (comma list), how many messages are gone,
-- how many turns ended, how many were asked to stop, how many questions are withdrawn}; not_member, refused, bad, too_far (the
-- text says how far it can go), conflict, outside, full, overloaded: then nothing is changed.
-- What goes: what people said behind the message (without asking anew: from it on), every turn that was asked any of that, or that
-- went on behind such a turn in its agent's thread, and what these turns said. An answer that was owed to an earlier message stays,
-- wherever it stands. Threads follow: for each agent whose thread holds such a turn, one that only brings it back (field `rewinds`:
-- the turns that go) stands behind the running turn and before all that waits. So the log is back at once, and no turn begins on
-- a thread that is not.
-- include: append
-- include: may
-- include: accepted
-- include: asking
-- include: outbox
-- include: trim
-- include: speech
-- include: stop
-- include: heard
-- include: audit
-- include: answering
-- include: ledger
-- include: reach

local MOST_VERSIONS = 20 -- as in edits.py

local at, conversation, user, id, message = here(), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local text, ask, window_ms = ARGV[7], ARGV[8] == '1', tonumber(ARGV[14])

local function record_of(turn) return at.head .. ':turn:' .. turn end

-- Each {id, user or false, turn or false, turns that it queued or false}, from the message on.
local function said_since(seq)
  local said = {}
  for index, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], integer(seq), '+inf')) do
    local kept = redis.call('HMGET', at.head .. ':m:' .. name, 'user', 'turn', 'turns')
    said[index] = { id = name, user = kept[1], turn = kept[2], turns = kept[3] }
  end
  return said
end

local function may_take_back(role, author, said)
  if role_may(role, ARGV[19]) then return true end
  local unable = may_not(role, ARGV[19])
  if author ~= user then return false, unable .. ': somebody else said it' end
  for _, one in ipairs(said) do
    if one.user and one.user ~= user then return false, unable .. ': ' .. one.user .. ' said something since' end
  end
  return true
end

local function messages_of(record)
  local kept = {}
  for name in string.gmatch(redis.call('HGET', record, 'messages') or '', '[^,]+') do
    local seq = redis.call('HGET', at.head .. ':m:' .. name, 'seq')
    if seq then kept[#kept + 1] = { 'id', name, 'seq', seq } end
  end
  return kept
end

-- gone: turns that go; back: agent -> those of them that its thread may hold, in order; low: agent -> the first message that only
-- they answered.
local function turns_that_go(seq) -- and the agents in order, and the turns in a list
  local gone, back, low, agents, names = {}, {}, {}, {}, {}
  local function goes(turn, agent, first, fresh)
    gone[turn] = true
    names[#names + 1] = turn
    if fresh and first > 0 then low[agent] = math.min(low[agent] or first, first) end
  end
  for _, begun in ipairs(begun_turns(at)) do
    if back[begun.agent] or begun.high >= seq then
      if not back[begun.agent] then
        back[begun.agent] = {}
        agents[#agents + 1] = begun.agent
      end
      table.insert(back[begun.agent], begun.turn)
      goes(begun.turn, begun.agent, begun.low, begun.kind == 'f')
    end
  end
  for _, turn in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
    local record = redis.call('HMGET', record_of(turn), 'agent', 'replays', 'resumes', 'rewinds')
    local first, last = seqs_of(messages_of(record_of(turn)))
    if not record[4] and not gone[turn] and last >= seq then
      goes(turn, record[1] or '-', first, not record[2] and not record[3])
    end
  end
  return gone, back, low, agents, names
end

-- Whether a worker of an earlier release, which lists none, began a turn that had to go.
local function some_unlisted(said, gone)
  for _, one in ipairs(said) do
    for turn in string.gmatch(one.user and one.turns or '', '[^,]+') do
      if not gone[turn] and tonumber(redis.call('HGET', record_of(turn), 'attempts') or 0) > 0 then return true end
    end
  end
end

-- Whoever asked once more is asked that was asked before, as far as it is there still; another text says itself who is.
local function agents_asked()
  if not ask then return {} end
  if text ~= '' then return (who_answers(at.head, ARGV[16])) end
  local before, list = redis.call('HGET', KEYS[6], 'asked'), {}
  for agent in string.gmatch(redis.call('HGET', at.head, 'agents') or '', '[^,]+') do
    if not before or string.find(',' .. before .. ',', ',' .. agent .. ',', 1, true) then list[#list + 1] = agent end
  end
  return list
end

local function withdraw_of(gone)
  local kept = {}
  for _, entry in ipairs(redis.call('HVALS', at.head .. ':asked')) do
    local interrupt, turn = asked_by(entry)
    if not gone[turn] then kept[interrupt] = true end
  end
  local count = withdraw(at, conversation, '', user, kept)
  for _, field in ipairs(redis.call('HKEYS', at.head)) do
    local agent = string.match(field, '^waits:(.+)$')
    if agent and gone[redis.call('HGET', at.head, field)] then waits_no_more(at, agent) end
  end
  return count
end

-- A running one is stopped as one that is rolled back: nothing more of it is kept. Its record is not to be found by a message.
local function stop_all(gone)
  local ended, stopping = 0, 0
  for _, turn in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
    if gone[turn] and redis.call('HGET', record_of(turn), 'state') == 'queued' then
      finish_turn(at, conversation, turn, 'cancelled', 'rewound', '')
      audit('cancelled', user, conversation, turn)
      ended = ended + 1
    elseif gone[turn] then
      if redis.call('HGET', record_of(turn), 'state') == 'running' then audit('cancelled', user, conversation, turn) end
      redis.call('HSET', record_of(turn), 'gone', 1)
      stop_running(at, conversation, turn, 'rollback', user, KEYS[12])
      stopping = stopping + 1
    end
  end
  return ended, stopping
end

local function take_out(said, gone)
  local ids = {}
  for _, one in ipairs(said) do
    if (one.user or gone[one.turn or '']) and not (ask and one.id == message) then
      redis.call('UNLINK', at.head .. ':m:' .. one.id, at.head .. ':versions:' .. one.id, at.head .. ':reactions:' .. one.id)
      redis.call('ZREM', KEYS[5], one.id)
      ids[#ids + 1] = one.id
    end
  end
  return ids
end

-- What is over needs no record any more, nor a letter by which it could be queued anew.
local function forget_turns(back)
  for _, turns in pairs(back) do
    for _, turn in ipairs(turns) do
      local state = redis.call('HGET', record_of(turn), 'state')
      if not state or state == 'finished' then drop_turn(at.head, turn) end
    end
  end
end

local function forget_begun(gone)
  for _, begun in ipairs(begun_turns(at)) do
    if gone[begun.turn] then redis.call('LREM', KEYS[13], 1, begun.entry) end
  end
end

-- What only turns that go have heard is to be heard anew.
local function hear_anew(seq, low)
  for _, field in ipairs(redis.call('HKEYS', at.head)) do
    local agent = string.match(field, '^heard:(.+)$')
    if agent then
      local heard = tonumber(redis.call('HGET', at.head, field))
      redis.call('HSET', at.head, field, integer(math.min(heard, seq - 1, (low[agent] or seq) - 1)))
    end
  end
end

local function queue(turn, agent, messages, ...)
  redis.call('HSET', record_of(turn), 'id', turn, 'conversation', conversation, 'agent', agent, 'messages', messages,
    'state', 'queued', 'attempts', 0, 'trace', ARGV[10], 'format', ARGV[12], ...)
end

-- No `queued_ms`: a worker of an earlier release, which knows no `rewinds`, can't read it, and ends it as failed. It would have the
-- agent say something that nobody asked for.
local function queue_back(agents, back, first_id)
  local head = redis.call('LINDEX', KEYS[7], 0)
  local running = head and redis.call('HGET', record_of(head), 'state') ~= 'queued' and head
  for index, agent in ipairs(agents) do
    local turn = ARGV[first_id + index - 1]
    queue(turn, agent, '', 'rewinds', table.concat(back[agent], ','))
    if running then redis.call('LINSERT', KEYS[7], 'AFTER', running, turn) else redis.call('LPUSH', KEYS[7], turn) end
  end
end

local function queue_asking(agents, seq)
  local turns = {}
  for index, agent in ipairs(agents) do
    local turn, most = ARGV[20 + index], tonumber(ARGV[17])
    local since = unheard(at.head, KEYS[5], agent, seq, most)
    queue(turn, agent, messages_for(at.head, { agent = agent, carried = {} }, since, turn, message, most),
      'queued_ms', integer(now_ms()))
    redis.call('RPUSH', KEYS[7], turn)
    turns[index] = turn
  end
  return table.concat(turns, ',')
end

-- As an edit: what it said is a version.
local function say_in_other_words(before)
  local versions = at.head .. ':versions:' .. message
  redis.call('RPUSH', versions, integer(now_ms()) .. ' ' .. before)
  redis.call('LTRIM', versions, -MOST_VERSIONS, -1)
  redis.call('HSET', KEYS[6], 'text', text)
  redis.call('HINCRBY', KEYS[6], 'edits', 1)
end

local function listed(names)
  local quoted_names = {}
  for index, name in ipairs(names) do quoted_names[index] = quoted(name) end
  return '[' .. table.concat(quoted_names, ',') .. ']'
end

local function tell(since, gone, turns)
  local traced_by = ARGV[10] ~= '' and ',"trace":' .. quoted(ARGV[10]) or ''
  local said = text ~= '' and ',"text":' .. quoted(text) or ''
  return append(at, 'e', '{"type":"conversation.rewound"' .. traced_by .. ',"conversation":' .. quoted(conversation)
    .. ',"message":' .. quoted(message) .. ',"by":' .. quoted(user) .. ',"since":' .. integer(since)
    .. ',"gone":' .. listed(gone) .. ',"turns":' .. listed(turns) .. said .. '}')
end

local unable, role = may(KEYS[4], user, conversation, ARGV[18])
if unable then return unable end

local speaker, digest, first_epoch, first_offset, first_turns = taken_before(KEYS[10], id)
if speaker then
  if speaker ~= user or digest ~= ARGV[9] then
    return { 'conflict', 'id ' .. id .. ' was used before, by another user or for something else' }
  end
  redis.call('HSET', at.head, 'format', ARGV[12])
  return { 'repeat', first_epoch, first_offset, first_turns, 0, 0, 0, 0 }
end
local refusal = too_far('rewind', id, tonumber(ARGV[13]), window_ms)
if refusal then return refusal end

local kept = redis.call('HMGET', KEYS[6], 'user', 'agent', 'seq', 'deleted', 'text')
if kept[2] then return { 'bad', 'message ' .. message .. ' was said by an agent: one goes back to what a person said' } end
local seq, reach = tonumber(kept[3] or 0), reach_of(at, KEYS[5])
if not kept[1] or not reach or seq < reach then return out_of_reach(at, KEYS[5]) end
local said = said_since(seq)
local allowed, why = may_take_back(role, kept[1], said)
if not allowed then return { 'refused', why } end
if ask and kept[4] then return { 'refused', 'message ' .. message .. ' was deleted: it cannot be asked again' } end

local gone, back, low, to_bring, names = turns_that_go(seq)
if some_unlisted(said, gone) then return { 'too_far', 'a server of an earlier release answered since' } end
local askings, before, ending = agents_asked(), redis.call('LLEN', KEYS[7]), 0
for _, turn in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
  if gone[turn] and redis.call('HGET', record_of(turn), 'state') == 'queued' then ending = ending + 1 end
end
local ids_for_asking = tonumber(ARGV[20])
if #to_bring > #ARGV - 1 - 20 - ids_for_asking then return { 'too_far', 'too many agents spoke since' } end
if #askings > 0 and ARGV[15] == '1' then return { 'overloaded', 'too many turns wait in all conversations together' } end
if before - ending + #askings + #to_bring > tonumber(ARGV[11]) then
  return { 'full', integer(before) .. ' turns wait in ' .. conversation .. ', it takes ' .. ARGV[11] }
end

local withdrawn = withdraw_of(gone)
local ended, stopping = stop_all(gone)
local ids = take_out(said, gone)
forget_turns(back)
forget_begun(gone)
hear_anew(seq, low)
if ask then
  redis.call('HDEL', KEYS[6], 'heard_in', 'resumes', 'replays')
  redis.call('HSET', KEYS[6], 'asked', table.concat(askings, ','))
  if text ~= '' and text ~= kept[5] then say_in_other_words(kept[5]) end
end
local epoch, offset = tell(ask and seq + 1 or seq, ids, names)
queue_back(to_bring, back, 21 + ids_for_asking)
local turns = queue_asking(askings, seq)
if ask then redis.call('HSET', KEYS[6], 'turns', turns) end
if #askings + #to_bring > 0 then redis.call('INCRBY', KEYS[11], #askings + #to_bring) end
-- As in accept: a conversation that has a lease is drained by its holder.
if before == 0 and #askings + #to_bring > 0 and redis.call('EXISTS', KEYS[8]) == 0 then
  redis.call('XADD', KEYS[9], '*', 'c', conversation)
end
remember_id(KEYS[10], id, kept_for_ms(window_ms), user, ARGV[9], epoch, offset, turns)
audit('rewound', user, conversation, message)
return { 'ok', epoch, integer(offset), turns, #ids, ended, stopping, withdrawn }
