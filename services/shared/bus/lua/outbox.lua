-- outbox: how far the relay may be behind. A chunk of local functions.
--
-- MOST_OUTBOX            changes a partition's outbox holds at most
-- room_in(outbox)        how many more it takes

local MOST_OUTBOX = 10000

local function room_in(outbox)
  return math.max(0, MOST_OUTBOX - redis.call('XLEN', outbox))
end
