-- thread_delete: forget a thread, by the conversation's owner only.
-- KEYS  1 lease  2 order  3 records
-- ARGV  1 token  2 attempt id of the lease
-- Reply 1; lease_lost.
-- include: owner

if not is_owner() then return lease_lost() end
redis.call('DEL', KEYS[2], KEYS[3])
return 1
