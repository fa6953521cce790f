-- thread_restore: make a thread of what thread_dump read of another, by the conversation's owner only.
-- KEYS  1 lease  2 order  3 records
-- ARGV  1 token  2 attempt id of the lease  3 order  4 records  5 ms until it ends, 0 for no end  6 digest;  3 '' for nothing to copy
-- Reply 1, also on a repeat; 0 when there was nothing to copy; lease_lost; refused when the thread has other checkpoints.
-- include: owner
-- include: thread_names
-- include: thread_digest

if not is_owner() then return lease_lost() end
local from, to = under('c')
local taken = #redis.call('ZRANGEBYLEX', KEYS[2], from, to, 'LIMIT', 0, 1) > 0
if taken and digest(KEYS[2]) == ARGV[6] then return 1 end
if taken then return { 'refused', 'the thread to copy to has checkpoints' } end
if ARGV[3] == '' then return 0 end
redis.call('RESTORE', KEYS[2], ARGV[5], ARGV[3], 'REPLACE')
redis.call('RESTORE', KEYS[3], ARGV[5], ARGV[4], 'REPLACE')
return 1
