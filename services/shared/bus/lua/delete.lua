-- delete: somebody ends a conversation, for all and for good.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 leaving  7 that it was deleted  8 deleting  9 lease  10 running  11 fifo
--       12 queued
-- ARGV  1 length  2 TTL  3 conversation  4 user  5 event conversation.deleted  6 how long its journal can still be read, ms
--       7 how long it is known that it was deleted, s  8 who may (see may.lua)  9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member; refused for one who may not.
-- A repeat by the same user gets the first position, and lets it be known as long again.
-- include: append
-- include: may
-- include: deletion
-- include: audit

local at, conversation, user = here(), ARGV[3], ARGV[4]
local known = redis.call('GET', KEYS[7])
if known then
  local epoch, offset, by = string.match(known, '^(%S+) (%d+) (.*)$')
  if by ~= user then return no_member(user, conversation) end
  redis.call('EXPIRE', KEYS[7], ARGV[7])
  return { 'repeat', epoch, offset }
end
local unable = may(KEYS[4], user, conversation, ARGV[8])
if unable then return unable end
local epoch, offset = delete(at, conversation, user, ARGV[5], tonumber(ARGV[6]), ARGV[7])
audit('deleted', user, conversation, '')
return { 'ok', epoch, integer(offset) }
