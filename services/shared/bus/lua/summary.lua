-- summary: one conversation as it stands in a member's list.
-- KEYS  1 head  2 members
-- ARGV  1 user
-- Reply {replid, role, title, created_ms, members {user, ...}, settings {agents, answers, double_texting}, number read up to,
-- how many are unread}; {replid} for one who is not a member.
-- include: append
-- include: receipt

local master = replid()
local role = redis.call('HGET', KEYS[2], ARGV[1])
if not role then return { master } end
local fields = redis.call('HMGET', KEYS[1], 'title', 'created_ms')
local settings = redis.call('HMGET', KEYS[1], 'agents', 'answers', 'double_texting')
local seq = read_up_to(KEYS[1], ARGV[1])
return { master, role, fields[1], fields[2], redis.call('HKEYS', KEYS[2]), settings, integer(seq), unread_above(KEYS[1], seq) }
