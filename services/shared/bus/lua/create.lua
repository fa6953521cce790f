-- create: a conversation, its owner and its first members.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 that it was deleted  7 aging
-- ARGV  1 length  2 TTL  3 conversation  4 creator  5 title  6 agents (comma list)  7 format
--       8 answers (JSON: agent -> when) or ''  9 way of double texting or ''
--       10.. user, role, event member.joined; for the creator first, then for each member; the last, and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; refused when another user made it, or when it was deleted; full.
-- A repeat writes the format again.
-- include: append
-- include: outbox
-- include: member
-- include: audit

local at = here()
if redis.call('EXISTS', KEYS[6]) == 1 or redis.call('HEXISTS', at.head, 'deletion') == 1 then
  return { 'refused', 'conversation ' .. ARGV[3] .. ' was deleted' }
end
if redis.call('HEXISTS', at.head, 'created_by') == 1 then
  if redis.call('HGET', at.head, 'created_by') ~= ARGV[4] then
    return { 'refused', 'conversation ' .. ARGV[3] .. ' exists' }
  end
  redis.call('HSET', at.head, 'format', ARGV[7])
  local epoch, offset = standing_at(at)
  return { 'repeat', epoch, integer(offset) }
end

local refusal = crowded()
if refusal then return refusal end
redis.call('HSET', at.head, 'title', ARGV[5], 'created_ms', integer(now_ms()), 'created_by', ARGV[4], 'agents', ARGV[6],
  'format', ARGV[7], 'message_seq', 0, 'back_floor', 0)
for field, value in pairs({ answers = ARGV[8], double_texting = ARGV[9] }) do
  if value ~= '' then redis.call('HSET', at.head, field, value) end
end
for agent in string.gmatch(ARGV[6], '[^,]+') do redis.call('HSET', at.head, 'heard:' .. agent, 0) end
audit('created', ARGV[4], ARGV[3], '')
local epoch, offset
for index = 10, #ARGV - 1, 3 do
  redis.call('HSET', KEYS[4], ARGV[index], ARGV[index + 1])
  epoch, offset = change(at, 'member.joined', ARGV[index], ARGV[index + 2], titled(ARGV[index + 2], ARGV[5]))
  if ARGV[index] ~= ARGV[4] then audit('member.added', ARGV[4], ARGV[3], ARGV[index]) end
end
redis.call('ZADD', KEYS[7], integer(now_ms()), ARGV[3])
return { 'ok', epoch, integer(offset) }
