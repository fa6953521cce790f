-- restoring: begin to make loaded data fit for services, or go on where somebody was stopped.
-- KEYS  1 the restore under way
-- ARGV  1 id of a new one
-- Reply {id, floor of the lease tokens} of the one under way. The floor is the time in ms: no conversation was ever leased that often.
-- include: append

replid()
local known = redis.call('GET', KEYS[1]) or ARGV[1] .. ' ' .. integer(now_ms())
redis.call('SET', KEYS[1], known)
local id, floor = string.match(known, '^(%S+) (%d+)$')
return { id, floor }
