-- shards_change: a replica of the presence service takes free shards and gives back its own.
-- KEYS  1 porters  2.. leases: those to take, then those to give back
-- ARGV  1 replica  2 TTL in ms  3 how many to take  4 1 when the replica ends
-- Reply which of those to take are its own now: 1 or 0 each. What another holds stays with it.

local taken = {}
for index = 2, #KEYS do
  if index - 1 <= tonumber(ARGV[3]) then
    redis.call('SET', KEYS[index], ARGV[1], 'NX', 'PX', ARGV[2])
    taken[#taken + 1] = redis.call('GET', KEYS[index]) == ARGV[1] and 1 or 0
  elseif redis.call('GET', KEYS[index]) == ARGV[1] then
    redis.call('DEL', KEYS[index])
  end
end
if ARGV[4] == '1' then redis.call('ZREM', KEYS[1], ARGV[1]) end
return taken
