-- message_delete: a message says nothing any more; its place stays.
-- KEYS  1 head  2 journal  3 live  4 members  5 message  6 what it said before  7 reactions to it  8 fifo
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 versions kept  7 who may delete what they said themselves
--       8 who may whatever was said (see may.lua)  9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member, refused, bad.
-- A turn that waits hears it no more; one that is asked nothing else ends as cancelled. What runs has heard it; who takes that up
-- knows by `deleted` what is not to be put into a thread any more.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: kept
-- include: speech
-- include: audit

local at, conversation, user, message = here(), ARGV[3], ARGV[4], ARGV[5]

local function without(list)
  local left = {}
  for one in string.gmatch(list, '[^,]+') do
    if one ~= message then left[#left + 1] = one end
  end
  return table.concat(left, ',')
end

-- What the agent was only to hear beside a question asks nothing.
local function asks(list, agent)
  for one in string.gmatch(list, '[^,]+') do
    local asked = redis.call('HGET', at.head .. ':m:' .. one, 'asked')
    if not asked or string.find(',' .. asked .. ',', ',' .. agent .. ',', 1, true) then return true end
  end
end

local function hush_turns()
  for _, turn in ipairs(redis.call('LRANGE', KEYS[8], 0, -1)) do
    local record = at.head .. ':turn:' .. turn
    local fields = redis.call('HMGET', record, 'state', 'messages', 'resumes', 'rewinds', 'agent')
    local list = fields[2] or ''
    local left = without(list)
    if fields[1] == 'queued' and left ~= list and not fields[3] and not fields[4] then
      if not asks(left, fields[5] or '') then
        finish_turn(at, conversation, turn, 'cancelled', 'deleted', '')
        audit('cancelled', user, conversation, turn)
      else
        redis.call('HSET', record, 'messages', left)
      end
    end
  end
end

local unable, kept = kept_for(ARGV[7], ARGV[8])
if unable then return unable end
if kept.deleted then
  redis.call('HSET', KEYS[5], 'deleted', kept.deleted)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end
remember_text(kept.text, tonumber(ARGV[6]))
redis.call('HSET', KEYS[5], 'text', '', 'deleted', user)
redis.call('HDEL', KEYS[5], 'reacted')
redis.call('UNLINK', KEYS[7])
hush_turns()
local epoch, offset = append(at, 'e', '{"type":"message.deleted","conversation":' .. quoted(conversation) .. ',"message":'
  .. quoted(message) .. ',"by":' .. quoted(user) .. '}')
audit('message.deleted', user, conversation, message)
return { 'ok', epoch, integer(offset) }
