-- crowd_tell: tell how many are present in large conversations of one partition where somebody came or went.
-- KEYS  1 crowds
-- ARGV  1 prefix of the partition's conversation keys  2 at most so many
-- Reply how many conversations were told of.
-- include: append

local told = 0
for _, conversation in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(now_ms()), 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', KEYS[1], conversation)
  local base = ARGV[1] .. conversation
  if redis.call('EXISTS', base .. ':members') == 1 then
    local users, connections = redis.call('HLEN', base .. ':present'), redis.call('HLEN', base .. ':roster')
    publish(base .. ':live', 't', '{"time":' .. integer(now_ms()) .. ',"type":"presence.changed","conversation":"' .. conversation ..
      '","users":' .. integer(users) .. ',"connections":' .. integer(connections) .. '}')
    told = told + 1
  end
end
return told
