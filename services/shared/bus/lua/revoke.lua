-- revoke: tokens are taken no more: one by its id, or a user's that were issued before a time.
-- KEYS  1 revoked tokens, or revoked users
-- ARGV  1 token id, or user  2 when the token ends by itself in ms (0: not known), or issued before, ms  3 kept, in ms
--       4 "token" or "user"
-- Reply 1. A repeat changes nothing that counts; of two times the later one holds. What is too old to matter goes.
-- include: append

local now = now_ms()
local kept = tonumber(ARGV[3])
local score = tonumber(ARGV[2])
if ARGV[4] == 'token' then
  if score <= 0 then score = now + kept end
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now))
else
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now - kept))
end
redis.call('ZADD', KEYS[1], 'GT', integer(score), ARGV[1])
redis.call('PEXPIRE', KEYS[1], integer(kept))
return 1
