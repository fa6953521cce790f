-- accept: a person's message: refuse, or repeat, or keep it with its event and its turns.
-- KEYS  1 head  2 journal  3 live  4 members  5 order  6 message  7 fifo  8 lease  9 ready  10 accepted  11 open
--       12 queued
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 text  7 digest of the body  8 event message.created
--       9 trace  10 bound of the fifo  11 format  12 when the message id was made, ms  13 window in ms
--       14 '1' when all conversations together have too many turns waiting  15 messages kept, 0 for all
--       16.. turn ids, as many as a conversation may have agents; the last, and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset, turns (comma list)}; not_member, conflict, outside, full, overloaded: then nothing is
-- stored.
-- A repeat (same id, user and body) gets the first position, also when the message itself is gone; it writes the format again,
-- so that it can be waited for.
-- An id is taken only within the window around the server's clock, and remembered for more than two windows after it was made:
-- what is no longer remembered is too old to be taken anew. An id that is known is a repeat whatever its age.
-- include: append
-- include: trim
-- include: audit

local at, conversation, user, message = here(), ARGV[3], ARGV[4], ARGV[5]
local made_ms, window_ms = tonumber(ARGV[12]), tonumber(ARGV[13])
local MARGIN_MS = 3600000 -- how far clocks of two masters may be apart
local kept_ms = 2 * window_ms + MARGIN_MS

-- user, digest, epoch, offset, turns of an id that was taken; nil for one that is not known. Ids are of one length, so a record
-- is found by its beginning. A release before this one kept no record beside the message.
local function taken()
  local record = redis.call('ZRANGEBYLEX', KEYS[10], '[' .. message .. ' ', '(' .. message .. '!', 'LIMIT', 0, 1)[1]
  if record then return string.match(record, '^%S+ (%S+) (%S+) (%S+) (%S+) ?(.*)$') end
  local kept = redis.call('HMGET', KEYS[6], 'user', 'digest', 'epoch', 'offset', 'turns')
  if kept[3] then return kept[1], kept[2], kept[3], kept[4], kept[5] or '' end
  if redis.call('HEXISTS', KEYS[11], message) == 1 then return '' end -- an agent is just saying it
end

-- UUIDv7 sort by the time they were made, so the oldest stand first; some at a time, more than come.
local function remember(epoch, offset, turns)
  local oldest = now_ms() - kept_ms
  local cut = string.format('(%08x-%04x', math.floor(oldest / 65536), oldest % 65536)
  local over = redis.call('ZRANGEBYLEX', KEYS[10], '-', cut, 'LIMIT', 0, 16)
  if #over > 0 then redis.call('ZREM', KEYS[10], unpack(over)) end
  redis.call('ZADD', KEYS[10], 0, table.concat({ message, user, ARGV[7], epoch, integer(offset), turns }, ' '))
  redis.call('PEXPIRE', KEYS[10], integer(kept_ms))
end

local function too_far()
  local behind_s = math.floor((now_ms() - made_ms) / 1000)
  local way = behind_s > 0 and ' s behind' or ' s ahead of'
  return { 'outside', 'message id ' .. message .. ' was made ' .. integer(math.abs(behind_s)) .. way .. " the server's clock; at most "
    .. integer(window_ms / 1000) .. ' s are allowed: was it kept too long, or is the clock that made it wrong?' }
end

local function queue_turns(agents, before)
  local turns = {}
  for agent in string.gmatch(agents, '[^,]+') do
    local turn = ARGV[16 + #turns]
    turns[#turns + 1] = turn
    redis.call('HSET', at.head .. ':turn:' .. turn, 'id', turn, 'conversation', conversation, 'agent', agent, 'messages', message,
      'state', 'queued', 'attempts', 0, 'trace', ARGV[9], 'queued_ms', integer(now_ms()), 'format', ARGV[11])
    redis.call('RPUSH', KEYS[7], turn)
  end
  if #turns > 0 then redis.call('INCRBY', KEYS[12], #turns) end
  -- A conversation that has a lease is drained by its holder, who cannot let go while the fifo holds anything.
  if #turns > 0 and before == 0 and redis.call('EXISTS', KEYS[8]) == 0 then
    redis.call('XADD', KEYS[9], '*', 'c', conversation)
  end
  return table.concat(turns, ',')
end

if redis.call('HEXISTS', KEYS[4], user) == 0 then
  return { 'not_member', user .. ' is not a member of ' .. conversation }
end

local speaker, digest, first_epoch, first_offset, first_turns = taken()
if first_epoch or speaker then
  if speaker ~= user or digest ~= ARGV[7] then
    return { 'conflict', 'message ' .. message .. ' was said before, by another user or with another text' }
  end
  redis.call('HSET', at.head, 'format', ARGV[11])
  return { 'repeat', first_epoch, first_offset, first_turns }
end
if math.abs(now_ms() - made_ms) > window_ms then return too_far() end

local agents, before = redis.call('HGET', at.head, 'agents') or '', redis.call('LLEN', KEYS[7])
local wanted = select(2, string.gsub(agents, '[^,]+', ''))
if wanted > 0 and ARGV[14] == '1' then return { 'overloaded', 'too many turns wait in all conversations together' } end
if wanted > 0 and before + wanted > tonumber(ARGV[10]) then
  return { 'full', integer(before) .. ' turns wait in ' .. conversation .. ', it takes ' .. ARGV[10] }
end

local epoch, offset = append(at, 'e', ARGV[8])
local seq = integer(redis.call('HINCRBY', at.head, 'message_seq', 1))
local turns = queue_turns(agents, before)
redis.call('ZADD', KEYS[5], seq, message)
redis.call('HSET', KEYS[6], 'id', message, 'user', user, 'text', ARGV[6], 'created_ms', integer(now_ms()), 'seq', seq,
  'digest', ARGV[7], 'epoch', epoch, 'offset', integer(offset), 'turns', turns)
if ARGV[9] ~= '' then redis.call('HSET', KEYS[6], 'trace', ARGV[9]) end -- a turn that answers several links to each
remember(epoch, offset, turns)
trim_messages(at.head, KEYS[5], tonumber(ARGV[15]))
audit('sent', user, conversation, message)
return { 'ok', epoch, integer(offset), turns }
