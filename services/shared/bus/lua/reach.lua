-- reach: how far back a conversation can go. A chunk of local functions, included behind `append`.
--
-- MOST_GONE                     messages that leave a conversation at once, at most
-- reach_of(at, order)           sequence number of the oldest message that can be gone back to, its id; nil when there is none
-- out_of_reach(at, order)       the refusal, which says how far one can go

local MOST_GONE = 500

local function reach_of(at, order)
  local floor = tonumber(redis.call('HGET', at.head, 'back_floor') or '')
  if not floor then return end
  local last = redis.call('ZREVRANGE', order, MOST_GONE - 1, MOST_GONE - 1, 'WITHSCORES')[2]
  local from = math.max(floor + 1, tonumber(last or 0))
  for _, message in ipairs(redis.call('ZRANGEBYSCORE', order, integer(from), '+inf', 'LIMIT', 0, MOST_GONE)) do
    local kept = redis.call('HMGET', at.head .. ':m:' .. message, 'user', 'seq')
    if kept[1] then return tonumber(kept[2]), message end
  end
end

local function out_of_reach(at, order)
  local _, message = reach_of(at, order)
  if not message then return { 'too_far', 'there is no message that it can go back to' } end
  return { 'too_far', 'it can go back to message ' .. message .. ', and no further' }
end
