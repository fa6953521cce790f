-- listed: the conversations a user is in, or is invited to, as far as the relay has told the user's partition.
-- KEYS  1 conversations (or invitations) of the user  2 marks of the user
-- ARGV  none
-- Reply {replid, {conversation, ...}, {conversation, mark, ...}}, in no order
-- include: append

return { replid(), redis.call('HKEYS', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
