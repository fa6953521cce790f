-- receipt: how far a user has read. A chunk of local functions, included behind `append`. What stands in `:read` is the number of
-- the last message read, a field a user; it never goes back while its user is a member.
--
-- read_up_to(head, user)          that number; 0 for who read nothing
-- unread_above(head, seq)         how many messages are kept with a number above it
-- has_read(head, user, seq)       note it

local function read_up_to(head, user)
  return tonumber(redis.call('HGET', head .. ':read', user) or 0)
end

local function unread_above(head, seq)
  return redis.call('ZCOUNT', head .. ':order', '(' .. integer(seq), '+inf')
end

local function has_read(head, user, seq)
  redis.call('HSET', head .. ':read', user, integer(seq))
end
