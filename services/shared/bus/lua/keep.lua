-- keep: a graph's checkpoint and pending writes, all of them or none, by the conversation's owner only.
-- KEYS  1 lease  2.. the keys written
-- ARGV  1 token  2 attempt id of the lease  3.. commands, each as its number of words and the words
-- Reply 1; lease_lost. Every command is one that is harmless to repeat.
-- include: owner

if not is_owner() then return lease_lost() end
-- The keys are the saver's own, so whoever deletes the conversation must know that there are some.
redis.call('HSET', (string.gsub(KEYS[1], ':lease$', '')), 'foreign', 1)
local next = 3
while next <= #ARGV do
  local words = tonumber(ARGV[next])
  redis.call(unpack(ARGV, next + 1, next + words))
  next = next + words + 1
end
return 1
