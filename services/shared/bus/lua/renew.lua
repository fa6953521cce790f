-- renew: keep a lease for another of its lengths.
-- KEYS  1 conversation  2 fifo  3 running  4 lease
-- ARGV  1 conversation id  2 '': the fence's begin at 3  3 token  4 attempt id of the lease
-- Reply nil when the lease is another's; else the id of the running turn if it is to stop, or ''.
-- include: append
-- include: fence

if not holds_lease() then return false end
local until_ms = integer(now_ms() + tonumber(redis.call('HGET', KEYS[4], 'lease_ms')))
redis.call('HSET', KEYS[4], 'until_ms', until_ms)
redis.call('ZADD', KEYS[3], until_ms, ARGV[1])
local turn = redis.call('LINDEX', KEYS[2], 0)
if turn and redis.call('HGET', KEYS[1] .. ':turn:' .. turn, 'state') == 'cancelling' then return turn end
return ''
