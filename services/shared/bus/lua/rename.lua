-- rename: a conversation gets another title.
-- KEYS  1 head  2 journal  3 live  4 members
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 title  6 event conversation.updated  7 who may (see may.lua)
--       8 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member; refused. A repeat writes the title again.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at = here()
local unable = may(KEYS[4], ARGV[4], ARGV[3], ARGV[7])
if unable then return unable end
if redis.call('HGET', at.head, 'title') == ARGV[5] then return still(at, at.head, 'title', ARGV[5]) end
redis.call('HSET', at.head, 'title', ARGV[5])
local epoch, offset = append(at, 'e', ARGV[6])
audit('renamed', ARGV[4], ARGV[3], '')
return { 'ok', epoch, integer(offset) }
