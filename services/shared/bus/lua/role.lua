-- role: what somebody is in a conversation.
-- KEYS  1 members
-- ARGV  1 who
-- Reply the role; nil for a stranger.
-- include: append
-- include: may

replid()
return role_of(KEYS[1], ARGV[1])
