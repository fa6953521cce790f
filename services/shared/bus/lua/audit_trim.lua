-- audit_trim: let go of entries of the audit log that are too old, or more than are kept. Some at a time.
-- KEYS  1 a stream of the audit log
-- ARGV  1 entries it keeps  2 how old they may be, ms  3 at most so many now
-- Reply how many went; somebody comes again.
-- include: append

-- With a limit Redis trims by whole nodes only, which would keep some of the old ones: so these are named one by one.
local most, oldest = tonumber(ARGV[3]), integer(now_ms() - tonumber(ARGV[2]))
local over = math.min(most, redis.call('XLEN', KEYS[1]) - tonumber(ARGV[1]))
if over > 0 then redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', redis.call('XLEN', KEYS[1]) - over) else over = 0 end
local old = redis.call('XRANGE', KEYS[1], '-', '(' .. oldest .. '-0', 'COUNT', most)
if #old == 0 then return over end
return over + redis.call('XTRIM', KEYS[1], 'MINID', '=', #old < most and oldest or old[#old][1])
