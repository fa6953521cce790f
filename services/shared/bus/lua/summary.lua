-- summary: one conversation as it stands in a member's list.
-- KEYS  1 head  2 members
-- ARGV  1 user
-- Reply {replid, role, title, agents, created_ms, members {user, ...}}; {replid} for one who is not a member.
-- include: append

local master = replid()
local role = redis.call('HGET', KEYS[2], ARGV[1])
if not role then return { master } end
local fields = redis.call('HMGET', KEYS[1], 'title', 'agents', 'created_ms')
return { master, role, fields[1], fields[2], fields[3], redis.call('HKEYS', KEYS[2]) }
