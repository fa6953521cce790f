-- shards: a replica of the presence service beats, renews the shards it holds, and sees who works for which.
-- KEYS  1 porters  2.. leases of all shards
-- ARGV  1 replica  2 TTL of beats and leases in ms
-- Reply {now in ms, {replica, when it beat, ...}, {holder of the first shard or '', ms its lease has left, holder of the second ...}}
-- Replicas that were silent for the TTL are forgotten.
-- include: append

local me, ttl_ms, now, held = ARGV[1], tonumber(ARGV[2]), now_ms(), {}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now - ttl_ms))
redis.call('ZADD', KEYS[1], integer(now), me)
for index = 2, #KEYS do
  local holder = redis.call('GET', KEYS[index]) or ''
  if holder == me then redis.call('PEXPIRE', KEYS[index], ttl_ms) end
  held[#held + 1] = holder
  held[#held + 1] = redis.call('PTTL', KEYS[index])
end
return { now, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), held }
