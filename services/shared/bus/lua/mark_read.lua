-- mark_read: a user has read a conversation up to a message.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 number of the last message read  6 who may (see may.lua)
-- Reply {'ok' or 'repeat', epoch, offset, number it is read up to now, how many are unread}; not_member, refused, full.
-- Above the top it counts as the top. What was read already, or more, is a repeat: the position of the newest entry, one write.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: receipt

local at, conversation, user = here(), ARGV[3], ARGV[4]
local unable, role = may(KEYS[4], user, conversation, ARGV[6])
if unable then return unable end
local known = read_up_to(at.head, user)
local seq = math.min(tonumber(ARGV[5]), tonumber(redis.call('HGET', at.head, 'message_seq') or 0))
if seq <= known then
  redis.call('HSET', KEYS[4], user, role)
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset), integer(known), unread_above(at.head, known) }
end
local refusal = crowded()
if refusal then return refusal end
has_read(at.head, user, seq)
local unread = unread_above(at.head, seq)
local event = '{"type":"receipt.read","conversation":' .. cjson.encode(conversation) .. ',"user":' .. cjson.encode(user)
  .. ',"seq":' .. integer(seq) .. ',"unread":' .. integer(unread) .. '}'
local epoch, offset = append(at, 'e', event)
notify(at, conversation, user, 'receipt.read', event)
return { 'ok', epoch, integer(offset), integer(seq), unread }
