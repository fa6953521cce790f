-- listed: the conversations a user is in, as far as the relay has told the user's partition.
-- KEYS  1 conversations of the user
-- ARGV  none
-- Reply {replid, conversation, ...}, in no order
-- include: append

local known, found = redis.call('HGETALL', KEYS[1]), { replid() }
for index = 1, #known, 2 do found[#found + 1] = known[index] end
return found
