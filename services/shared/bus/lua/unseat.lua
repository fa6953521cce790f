-- unseat: the node holds this seat no more. Runs after the roster knows.
-- KEYS  1 seats of the node
-- ARGV  1 "<connection> <cid>"
-- Reply 1 when it did, 0 when not.

return redis.call('HDEL', KEYS[1], ARGV[1])
