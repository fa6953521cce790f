-- dead: dead letters: turns that finished `failed`, kept for a person to look at and to queue anew. A chunk, included behind
-- `append`. A letter is the member "<conversation> <turn>" of its partition's set `dead`, or of `replayed` once the turn was
-- queued anew; its score is when it got there. What it says stands in the turn's record, which lives at least as long.
--
-- keep_letter(set, letter, length, ttl_s)    add one; those past their age go, and then the oldest make room

local function keep_letter(set, letter, length, ttl_s)
  redis.call('ZADD', set, integer(now_ms()), letter)
  redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. integer(now_ms() - ttl_s * 1000))
  redis.call('ZREMRANGEBYRANK', set, 0, -1 - length)
  redis.call('EXPIRE', set, ttl_s)
end
