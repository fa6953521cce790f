-- invitation: one conversation as it stands in the list of a user who is invited to it.
-- KEYS  1 head  2 invited
-- ARGV  1 user
-- Reply {replid, role, by, when in ms, title}; {replid} for one who is not invited.
-- include: append

local master = replid()
local invited = redis.call('HGET', KEYS[2], ARGV[1])
if not invited or redis.call('HEXISTS', KEYS[1], 'deletion') == 1 then return { master } end
local role, by, time = string.match(invited, '^(%S+) (%S+) (%d+)')
return { master, role, by, time, redis.call('HGET', KEYS[1], 'title') or '' }
