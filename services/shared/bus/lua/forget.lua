-- forget: one document of long-term memory goes.
-- KEYS  1 document
-- ARGV  none
-- Reply 1. Writes each time, also when there is none: WAIT answers at once on a connection that wrote nothing.

redis.call('HSET', KEYS[1], 'format', 1)
redis.call('DEL', KEYS[1])
return 1
