-- thread_writes: what tasks wrote, pending at a checkpoint, all of it or nothing, by the conversation's owner only.
-- KEYS  1 lease  2 order  3 records
-- ARGV  1 token  2 attempt id of the lease  3 TTL in seconds, 0 for none
--       4.. of each write: 'first' or 'latest' (which of several under one name counts), name, record
-- Reply 1; lease_lost. The checkpoint need not be there yet. Writes each time, also on a repeat.
-- include: owner
-- include: thread_names

if not is_owner() then return lease_lost() end
for index = 4, #ARGV, 3 do
  local name = ARGV[index + 1]
  local before = ARGV[index] == 'first' and redis.call('HGET', KEYS[3], name)
  redis.call('HSET', KEYS[3], name, before or ARGV[index + 2])
  redis.call('ZADD', KEYS[2], 0, name)
end
stay(tonumber(ARGV[3]), KEYS[2], KEYS[3])
return 1
