-- release: let a conversation go, but never while turns wait: accept says "ready" only when the FIFO was empty before.
-- KEYS  1 conversation  2 fifo  3 running  4 lease  5 ready stream
-- ARGV  1 conversation id  2 '1' to hand over whatever waits to another worker  3 token  4 attempt id of the lease
-- Reply 1 let go (also when nobody holds it any more), 0 turns wait and the lease is kept; lease_lost when another holds it.
-- include: append
-- include: fence

if redis.call('EXISTS', KEYS[4]) == 0 then return 1 end
if not holds_lease() then return lease_lost() end
local waiting = redis.call('LLEN', KEYS[2]) > 0
if waiting and ARGV[2] ~= '1' then return 0 end
local head = redis.call('LINDEX', KEYS[2], 0)
-- The owner ends in order: the attempt it made under this lease is none of those that killed their worker.
if waiting and redis.call('HGET', KEYS[4], 'begun') == head then
  local record = KEYS[1] .. ':turn:' .. head
  redis.call('HINCRBY', record, 'handed_over', 1)
  redis.call('HSET', record, 'handed', redis.call('HGET', record, 'attempt') or '')
end
redis.call('DEL', KEYS[4])
redis.call('ZREM', KEYS[3], ARGV[1])
if waiting then redis.call('XADD', KEYS[5], '*', 'c', ARGV[1]) end
return 1
