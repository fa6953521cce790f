-- unlist: forget seats of a condemned node that were freed, and strike the node off after the last one.
-- KEYS  1 nodes  2 seats of the node  3 census of the node
-- ARGV  1 node id  2.. freed seats: "<connection> <cid>", "<user> <stamp>" as they were read, ...
-- Reply 1 when the node is off the list, 0 when it beat again or holds further seats. A seat taken anew since is kept.

for i = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[2], ARGV[i]) end
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= '0' or redis.call('HLEN', KEYS[2]) > 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
