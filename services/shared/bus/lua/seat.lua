-- seat: note on its node that a connection takes a seat, before the roster knows it: who reaps the node must find it.
-- KEYS  1 seats of the node  2 nodes
-- ARGV  1 "<connection> <cid>"  2 "<user> <stamp>"  3 node id
-- Reply 1. A node that never beat is listed too, else nobody would reap it.
-- include: append

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 'NX', integer(now_ms()), ARGV[3])
return 1
