-- restoring: begin to make loaded data fit for services.
-- KEYS  1 the restore under way
-- ARGV  1 its id
-- Reply its floor of the lease tokens: the time in ms, as no conversation was ever leased that often. One write.
-- What the key says already is of a restore that was stopped, or of one under way when the backup was taken; that one's
-- epochs and tokens may be known by now. So nothing of it is used again, and the steps begin anew under the new id.
-- include: append

replid()
local floor = integer(now_ms())
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. floor)
return floor
