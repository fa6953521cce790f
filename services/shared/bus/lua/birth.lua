-- birth: which life of Redis this is.
-- KEYS  1 birth of the house
-- ARGV  1 id  2 '1' to write an id once more that stands there, so that it can be waited for; '' to write one for a Redis that has
--       none
-- Reply the id that stands; nil when it is to be written once more and another one stands, or none. It is written once, and
-- stands until Redis loses everything.
-- include: append

replid()
local known = redis.call('GET', KEYS[1])
if ARGV[2] == '1' and known ~= ARGV[1] then return false end
if known and ARGV[2] ~= '1' then return known end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
