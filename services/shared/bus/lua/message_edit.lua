-- message_edit: the author of a message says it in other words. No agent is asked again.
-- KEYS  1 head  2 journal  3 live  4 members  5 message  6 what it said before
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 message id  6 text  7 versions kept  8 who may (see may.lua)
--       9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset, how often it was edited}; not_member, refused, bad.
-- The text it has is a repeat: where the journal stands, one write.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: kept
-- include: audit

local at, text = here(), ARGV[6]
local unable, kept = kept_for(ARGV[8])
if unable then return unable end
if kept.deleted then return { 'refused', 'message ' .. ARGV[5] .. ' was deleted' } end
if kept.text == text then
  redis.call('HSET', KEYS[5], 'text', text)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset), tonumber(redis.call('HGET', KEYS[5], 'edits') or 0) }
end
remember_text(kept.text, tonumber(ARGV[7]))
redis.call('HSET', KEYS[5], 'text', text)
local edits = redis.call('HINCRBY', KEYS[5], 'edits', 1)
local epoch, offset = append(at, 'e', '{"type":"message.edited","conversation":' .. cjson.encode(ARGV[3]) .. ',"message":'
  .. cjson.encode(ARGV[5]) .. ',"user":' .. cjson.encode(ARGV[4]) .. ',"text":' .. cjson.encode(text) .. ',"edits":'
  .. integer(edits) .. '}')
audit('message.edited', ARGV[4], ARGV[3], ARGV[5])
return { 'ok', epoch, integer(offset), edits }
