-- untouched: conversations of one partition in which nobody wrote for long.
-- KEYS  1 aging
-- ARGV  1 what the keys of the partition's conversations begin with  2 how long, in ms  3 at most so many are looked at
-- Reply their ids. `aging` holds for each conversation a time at which somebody wrote, not the latest: who is looked at and was
-- written to since is put further behind. So each conversation costs one look in that time.
-- include: append

local found, limit = {}, now_ms() - tonumber(ARGV[2])
for _, conversation in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. integer(limit), 'LIMIT', 0, ARGV[3])) do
  local head = ARGV[1] .. conversation
  local touched = tonumber(redis.call('HGET', head, 'touched_ms') or 0)
  if redis.call('EXISTS', head) == 0 then
    redis.call('ZREM', KEYS[1], conversation)
  elseif touched >= limit then
    redis.call('ZADD', KEYS[1], integer(touched), conversation)
  elseif redis.call('EXISTS', head .. ':fifo', head .. ':lease') > 0 then
    redis.call('ZADD', KEYS[1], integer(now_ms()), conversation) -- an answer is owed
  else
    found[#found + 1] = conversation
  end
end
return found
