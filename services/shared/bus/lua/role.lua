-- role: what a user is in a conversation.
-- KEYS  1 members
-- ARGV  1 user
-- Reply the role; nil for one who is not a member.
-- include: append

replid()
return redis.call('HGET', KEYS[1], ARGV[1])
