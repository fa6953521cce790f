-- append_user: an event for a user's own channel, once per idempotency key.
-- KEYS  1 head  2 journal  3 live  4 position of the append under this idempotency key
-- ARGV  1 length  2 TTL  3 event
-- Reply {'ok' or 'repeat', epoch, offset}; a repeat gets the first position and writes it again.
-- include: append

local first = redis.call('GET', KEYS[4])
if first then
  redis.call('EXPIRE', KEYS[4], ARGV[2])
  local epoch, offset = string.match(first, '^(%S+) (%d+)$')
  return { 'repeat', epoch, offset }
end
local at = here()
at.head_ttl_s = at.ttl_s
local epoch, offset = append(at, 'e', ARGV[3])
redis.call('SET', KEYS[4], epoch .. ' ' .. integer(offset), 'EX', at.ttl_s)
return { 'ok', epoch, integer(offset) }
