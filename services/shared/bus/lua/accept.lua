-- accept: a person's message: refuse, or repeat, or keep it with its event and its turns.
-- KEYS  1 head  2 journal  3 live  4 members  5 order  6 message  7 fifo  8 lease  9 ready  10 accepted  11 open
--       12 queued  13 outbox
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 text  7 digest of the body  8 event message.created
--       9 trace  10 bound of the fifo  11 format  12 when the message id was made, ms  13 window in ms
--       14 '1' when all conversations together have too many turns waiting  15 messages kept, 0 for all
--       16 words behind `@` in the text, in lower case, with a comma before and behind each  17 messages a turn answers at most
--       18 who may (see may.lua)  19 message it replies to, or ''  20 words behind `@` that may be users (comma list)
--       21.. turn ids, as many as a conversation may have agents; the last, and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset, turns (comma list), how many turns it superseded, how many it asked to stop}; not_member,
-- refused, bad, conflict, outside, full, overloaded, busy: then nothing is stored.
-- Who is asked, and what becomes of turns of theirs that wait or run: docs/turns.md. It is decided here, so it is one order for all.
-- A repeat (same id, user and body) gets the first position, also when the message itself is gone; it writes the format again,
-- so that it can be waited for.
-- An id is taken only within the window around the server's clock, and remembered for more than two windows after it was made:
-- what is no longer remembered is too old to be taken anew. An id that is known is a repeat whatever its age.
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
-- include: receipt

local at, conversation, user, message = here(), ARGV[3], ARGV[4], ARGV[5]
local made_ms, window_ms = tonumber(ARGV[12]), tonumber(ARGV[13])

-- user, digest, epoch, offset, turns of an id that was taken; nil for one that is not known. A release before this one kept no
-- record beside the message.
local function taken()
  local speaker, digest, epoch, offset, turns = taken_before(KEYS[10], message)
  if speaker then return speaker, digest, epoch, offset, turns end
  local kept = redis.call('HMGET', KEYS[6], 'user', 'digest', 'epoch', 'offset', 'turns')
  if kept[3] then return kept[1], kept[2], kept[3], kept[4], kept[5] or '' end
  if redis.call('HEXISTS', KEYS[11], message) == 1 then return '' end -- an agent is just saying it
end

local function queue_turns(askings, since, before)
  local turns = {}
  for _, asking in ipairs(askings) do
    local turn = ARGV[21 + #turns]
    turns[#turns + 1] = turn
    local list = messages_for(at.head, asking, since[asking.agent], turn, message, tonumber(ARGV[17]))
    redis.call('HSET', at.head .. ':turn:' .. turn, 'id', turn, 'conversation', conversation, 'agent', asking.agent,
      'messages', list, 'state', 'queued', 'attempts', 0, 'trace', ARGV[9],
      'queued_ms', integer(now_ms()), 'format', ARGV[11])
    redis.call('RPUSH', KEYS[7], turn)
  end
  if #turns > 0 then redis.call('INCRBY', KEYS[12], #turns) end
  -- A conversation that has a lease is drained by its holder, who cannot let go while the fifo holds anything.
  if #turns > 0 and before == 0 and redis.call('EXISTS', KEYS[8]) == 0 then
    redis.call('XADD', KEYS[9], '*', 'c', conversation)
  end
  return table.concat(turns, ',')
end

-- The members it names, as a comma list and as JSON; agents are no members.
local function people_named()
  local names, told = {}, {}
  for name in string.gmatch(ARGV[20], '[^,]+') do
    if redis.call('HEXISTS', KEYS[4], name) == 1 then
      names[#names + 1] = name
      told[#told + 1] = quoted(name)
    end
  end
  return names, #names > 0 and ',"mentions":[' .. table.concat(told, ',') .. ']' or ''
end

local function tell_named(names, seq)
  local event = '{"type":"message.mentioned","conversation":' .. quoted(conversation) .. ',"message":' .. quoted(message)
    .. ',"user":' .. quoted(user) .. ',"seq":' .. integer(seq) .. '}'
  for _, name in ipairs(names) do
    if name ~= user then notify(at, conversation, name, 'message.mentioned', event) end
  end
end

local unable = may(KEYS[4], user, conversation, ARGV[18])
if unable then return unable end

local speaker, digest, first_epoch, first_offset, first_turns = taken()
if first_epoch or speaker then
  if speaker ~= user or digest ~= ARGV[7] then
    return { 'conflict', 'message ' .. message .. ' was said before, by another user or with another text' }
  end
  redis.call('HSET', at.head, 'format', ARGV[11])
  return { 'repeat', first_epoch, first_offset, first_turns }
end
local refusal = too_far('message', message, made_ms, window_ms)
if refusal then return refusal end

if ARGV[19] ~= '' and redis.call('EXISTS', at.head .. ':m:' .. ARGV[19]) == 0 then
  return { 'bad', 'reply_to: there is no message ' .. ARGV[19] .. ' in ' .. conversation }
end
local named, mentions = {}, ''
if ARGV[20] ~= '' then
  named, mentions = people_named()
  if #named > 0 and room_in(KEYS[13]) < #named then return { 'full', 'too much waits to be told in this partition' } end
end

local agents, way = who_answers(at.head, ARGV[16])
local askings, freed = asked(at.head, KEYS[7], agents, way), 0
for _, asking in ipairs(askings) do
  if way == 'reject' and asking.live then
    return { 'busy', asking.agent .. ' is at work on turn ' .. asking.live .. ' in ' .. conversation }
  end
  freed = freed + #asking.waiting
end
local before = redis.call('LLEN', KEYS[7])
if #askings > 0 and ARGV[14] == '1' then return { 'overloaded', 'too many turns wait in all conversations together' } end
if #askings > 0 and before - freed + #askings > tonumber(ARGV[10]) then
  return { 'full', integer(before) .. ' turns wait in ' .. conversation .. ', it takes ' .. ARGV[10] }
end

local seq = redis.call('HINCRBY', at.head, 'message_seq', 1)
local epoch, offset = append(at, 'e', string.sub(ARGV[8], 1, -2) .. mentions .. ',"seq":' .. integer(seq) .. '}')
if not is_service(user) then has_read(at.head, user, seq) end -- who speaks has read what was said before
local since = {}
for _, agent in ipairs(agents) do since[agent] = unheard(at.head, KEYS[5], agent, seq, tonumber(ARGV[17])) end
redis.call('ZADD', KEYS[5], seq, message)
redis.call('HSET', KEYS[6], 'id', message, 'user', user, 'text', ARGV[6], 'created_ms', integer(now_ms()), 'seq', integer(seq),
  'digest', ARGV[7], 'epoch', epoch, 'offset', integer(offset), 'asked', table.concat(agents, ','))
if ARGV[9] ~= '' then redis.call('HSET', KEYS[6], 'trace', ARGV[9]) end -- a turn that answers several links to each
if ARGV[19] ~= '' then redis.call('HSET', KEYS[6], 'reply_to', ARGV[19]) end
if #named > 0 then
  redis.call('HSET', KEYS[6], 'mentions', table.concat(named, ','))
  tell_named(named, seq)
end
local superseded, stopping = make_way(at, askings, way, user, KEYS[13])
local turns = queue_turns(askings, since, before)
redis.call('HSET', KEYS[6], 'turns', turns)
remember_id(KEYS[10], message, kept_for_ms(window_ms), user, ARGV[7], epoch, offset, turns)
trim_messages(at.head, KEYS[5], tonumber(ARGV[15]), trimmed(at, conversation))
audit('sent', user, conversation, message)
return { 'ok', epoch, integer(offset), turns, superseded, stopping }
