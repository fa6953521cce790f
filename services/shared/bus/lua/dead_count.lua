-- dead_count: how many dead letters of one partition can be listed.
-- KEYS  1 dead
-- ARGV  1 what the partition's conversation keys begin with  2 age at which a letter ends, in seconds
-- Reply the number. A letter whose record is gone is dropped, as dead_letters does.
-- include: append

local oldest, count = integer(now_ms() - tonumber(ARGV[2]) * 1000), 0
for _, letter in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], oldest, '+inf')) do
  local conversation, turn = string.match(letter, '^(%S+) (%S+)$')
  if redis.call('EXISTS', ARGV[1] .. conversation .. ':turn:' .. turn) == 1 then
    count = count + 1
  else
    redis.call('ZREM', KEYS[1], letter)
  end
end
return count
