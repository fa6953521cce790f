-- roster_leave: a connection's seat is free again; its user's departure is due after the grace, if this was the last one.
-- KEYS  1 roster  2 seated  3 departing  4 sessions of the user that left lately  5 members  6 attendees  7 seen
-- ARGV  1 connection  2 user  3 "<cid> <user>"  4 grace in ms  5 '' or the stamp the seat must carry  6 conversation
--       7 and the last key: see audit.lua
-- Reply the node that held the seat; nil when it was free or has been taken anew since `stamp`. A repeat changes nothing.
-- Keeps the rule of services/presence/core/machine.py.
-- A session that was traced is remembered for a minute: one that goes on where it stood links to it.
-- include: append
-- include: audit

local REMEMBERED_S, MOST = 60, 4
local TRACEPARENT = 55 -- characters, of ours

local seat = redis.call('HGET', KEYS[1], ARGV[1])
if not seat then return false end
seat = cjson.decode(seat)
if ARGV[5] ~= '' and seat.stamp ~= ARGV[5] then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
audit('left', ARGV[2], ARGV[6], '', seat.trace and string.sub(seat.trace, 4, 35))
if seat.trace then
  local others = redis.call('GET', KEYS[4])
  local kept = others and ',' .. string.sub(others, 1, (MOST - 1) * (TRACEPARENT + 1) - 1) or ''
  redis.call('SET', KEYS[4], seat.trace .. kept, 'EX', REMEMBERED_S)
end
if redis.call('HINCRBY', KEYS[2], ARGV[2], -1) <= 0 then
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('ZADD', KEYS[3], integer(now_ms() + tonumber(ARGV[4])), ARGV[3])
  -- Of one who is no member any more nothing is kept.
  if redis.call('HEXISTS', KEYS[5], ARGV[2]) == 1 then
    redis.call('HSET', KEYS[7], ARGV[2], integer(now_ms()))
  else
    redis.call('ZREM', KEYS[6], ARGV[2])
  end
end
return seat.node
