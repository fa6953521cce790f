-- retire: delete a conversation in which nobody wrote for long.
-- KEYS  1 head  2 journal  3 live  4 members  5 outbox  6 leaving  7 that it was deleted  8 deleting  9 lease  10 running  11 fifo
--       12 queued
-- ARGV  1 length  2 TTL  3 conversation  4 how long nobody must have written, ms  5 event conversation.deleted
--       6 how long its journal can still be read, ms  7 how long it is known that it was deleted, s
--       8 and the last key: see audit.lua
-- Reply 1; 0 when somebody wrote meanwhile, when an answer is owed, or when it is being deleted already.
-- include: append
-- include: deletion
-- include: audit

local at = here()
local touched = tonumber(redis.call('HGET', at.head, 'touched_ms') or 0)
if touched >= now_ms() - tonumber(ARGV[4]) then return 0 end
if redis.call('HEXISTS', at.head, 'created_by') == 0 or redis.call('HEXISTS', at.head, 'deletion') == 1 then return 0 end
if redis.call('EXISTS', KEYS[9], KEYS[11]) > 0 then return 0 end
delete(at, ARGV[3], '', ARGV[5], tonumber(ARGV[6]), ARGV[7])
audit('deleted', '', ARGV[3], '')
return 1
