-- rename: a conversation gets another title.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox
-- ARGV  1 length  2 TTL  3 conversation  4 by  5 title  6 event conversation.updated  7 who may (see may.lua)
--       8 most members whose own devices are told; 9 and the last key: see audit.lua
-- Reply {'ok' or 'repeat', epoch, offset}; not_member; refused; full. A repeat writes the title again.
-- Where there are more members than that, only who follows it is told: it would be an entry for each of them.
-- include: append
-- include: may
-- include: outbox
-- include: member
-- include: audit

local at = here()
local unable = may(KEYS[4], ARGV[4], ARGV[3], ARGV[7])
if unable then return unable end
if redis.call('HGET', at.head, 'title') == ARGV[5] then return still(at, at.head, 'title', ARGV[5]) end
local members = {}
if redis.call('HLEN', KEYS[4]) <= tonumber(ARGV[8]) then members = redis.call('HKEYS', KEYS[4]) end
if room_in(KEYS[5]) < #members then return { 'full', 'too much waits to be told in this partition' } end
redis.call('HSET', at.head, 'title', ARGV[5])
for _, user in ipairs(members) do notify(at, ARGV[3], user, 'conversation.updated', ARGV[6]) end
local epoch, offset = append(at, 'e', ARGV[6])
audit('renamed', ARGV[4], ARGV[3], '')
return { 'ok', epoch, integer(offset) }
