-- depart: announce the departures of one partition that are due, each once, whoever asks first.
-- KEYS  1 departing  2 crowds
-- ARGV  1 prefix of the partition's conversation keys  2 at most so many  3 not later than this, ms; '' for any time
--       4 users above which numbers are told  5 least ms between these  6 only those due for so many ms
-- Reply how many leaves were announced. A user who has a seat again is not announced.
-- Keeps the rule of services/presence/core/machine.py.
-- include: append
-- include: crowd

local function announce(id, user)
  local conversation = ARGV[1] .. id
  local present = conversation .. ':present'
  local info = redis.call('HGET', present, user)
  if not info or redis.call('HEXISTS', conversation .. ':seated', user) == 1 then return 0 end
  tell('l', info, redis.call('HLEN', present), conversation .. ':live', KEYS[2], id, ARGV[4], ARGV[5])
  redis.call('HDEL', present, user)
  return 1
end

if ARGV[3] ~= '' and now_ms() > tonumber(ARGV[3]) then return 0 end
local announced = 0
for _, due in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(now_ms() - tonumber(ARGV[6])), 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', KEYS[1], due)
  local id, user = string.match(due, '^(%S+) (%S+)$')
  announced = announced + announce(id, user)
end
return announced
