-- claim: take the lease of a conversation that has turns waiting, unless somebody holds it.
-- KEYS  1 conversation  2 lease  3 fifo  4 ready stream  5 running
-- ARGV  1 conversation id  2 ready entry or ''  3 worker  4 attempt id  5 lease in ms
-- Reply the fencing token; nil when somebody else holds the lease (its owner drains the FIFO) or nothing waits.
-- A repeat (same attempt id) gets its token again. The ready entry is done with in every case.
-- include: append

local function leave_entry()
  if ARGV[2] == '' then return end
  redis.call('XACK', KEYS[4], 'workers', ARGV[2])
  redis.call('XDEL', KEYS[4], ARGV[2])
end

local function hold(token)
  local until_ms = integer(now_ms() + tonumber(ARGV[5]))
  redis.call('HSET', KEYS[2], 'token', token, 'attempt', ARGV[4], 'worker', ARGV[3], 'until_ms', until_ms, 'lease_ms', ARGV[5])
  redis.call('ZADD', KEYS[5], until_ms, ARGV[1])
  return token
end

local held = redis.call('HMGET', KEYS[2], 'token', 'attempt', 'until_ms')
leave_entry()
if held[2] == ARGV[4] then return hold(held[1]) end
if held[3] and tonumber(held[3]) > now_ms() then return false end
if redis.call('LLEN', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[5], ARGV[1])
  return false
end
redis.call('HDEL', KEYS[2], 'begun') -- by whoever held it before
return hold(integer(redis.call('HINCRBY', KEYS[1], 'lease_token', 1)))
