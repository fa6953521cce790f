-- dead_letters: letters of one partition, the newest first.
-- KEYS  1 dead or replayed
-- ARGV  1 what the partition's conversation keys begin with  2 only of this conversation, or ''  3 only of this turn, or ''
--       4 age at which a letter ends, in seconds  5 at most so many
-- Reply {conversation, turn, its record as a flat list} of each. A letter whose record is gone, as with its conversation, is dropped.
-- include: append

local oldest, found = integer(now_ms() - tonumber(ARGV[4]) * 1000), {}
for _, letter in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', oldest)) do
  if #found >= tonumber(ARGV[5]) then break end
  local conversation, turn = string.match(letter, '^(%S+) (%S+)$')
  if (ARGV[2] == '' or ARGV[2] == conversation) and (ARGV[3] == '' or ARGV[3] == turn) then
    local record = redis.call('HGETALL', ARGV[1] .. conversation .. ':turn:' .. turn)
    if #record > 0 then found[#found + 1] = { conversation, turn, record } else redis.call('ZREM', KEYS[1], letter) end
  end
end
return found
