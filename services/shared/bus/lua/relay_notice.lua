-- relay_notice: tell a user's devices what a script in another partition noted for them.
-- KEYS  1 head  2 journal  3 live  4 told
-- ARGV  1 length  2 TTL  3 name of the note  4 event for #user  5 how long a note is known to be told, ms
-- Reply 1 told, 0 told before: nothing but one write.
-- include: append

local at = here()
local past = redis.call('ZSCORE', KEYS[4], ARGV[3])
redis.call('ZADD', KEYS[4], past or integer(now_ms()), ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', integer(now_ms() - tonumber(ARGV[5])))
redis.call('PEXPIRE', KEYS[4], ARGV[5])
if past then return 0 end
at.head_ttl_s = at.ttl_s
append(at, 'e', ARGV[4])
return 1
