-- birth: which life of Redis this is.
-- KEYS  1 birth of the house
-- ARGV  1 id for a Redis that has none
-- Reply the id. It is written once, and stands until Redis loses everything.
-- include: append

replid()
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
