-- mark: what a user makes of a conversation for itself alone: muted, archived.
-- KEYS  1 head  2 journal  3 live  4 conversations  5 that the user is in this conversation no more  6 marks
-- ARGV  1 length  2 TTL  3 conversation  4 muted until (ms, 0 not at all, - for good) or '' to leave it
--       5 archived (0 or 1) or '' to leave it
-- Reply {'ok', muted, archived}; {'later'} while the relay is behind: the end of an earlier membership is the last that is known here.
-- Whether the user is a member its conversation's partition knows; who leaves meanwhile is told here behind this, or before it. A
-- repeat writes once, and tells nothing.
-- include: append

local at, conversation = here(), ARGV[3]
local listed = redis.call('HEXISTS', KEYS[4], conversation) == 1
if not listed and redis.call('EXISTS', KEYS[5]) == 1 then return { 'later' } end
local before = redis.call('HGET', KEYS[6], conversation) or '0 0'
local muted, archived = string.match(before, '^(%S+) (%S+)$')
if ARGV[4] ~= '' then muted = ARGV[4] end
if ARGV[5] ~= '' then archived = ARGV[5] end
local mark = muted .. ' ' .. archived
redis.call('HSET', KEYS[6], conversation, mark)
if mark == '0 0' then redis.call('HDEL', KEYS[6], conversation) end
if mark ~= before then
  at.head_ttl_s = at.ttl_s
  append(at, 'e', '{"type":"conversation.marked","conversation":' .. cjson.encode(conversation) .. ',"muted":'
    .. (muted == '-' and 'null' or muted) .. ',"archived":' .. (archived == '1' and 'true' or 'false') .. '}')
end
return { 'ok', muted, archived }
