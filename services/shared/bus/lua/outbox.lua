-- outbox: how far the relay may be behind. A chunk of local functions.
--
-- MOST_OUTBOX            changes a partition's outbox holds at most
-- room_in(outbox)        how many more it takes
-- notify(at, conversation, user, kind, event)   have a user's own devices told, through the partition's outbox

local MOST_OUTBOX = 10000

local function room_in(outbox)
  return math.max(0, MOST_OUTBOX - redis.call('XLEN', outbox))
end

local function notify(at, conversation, user, kind, event)
  local outbox = string.match(at.head, '^{[^}]*}') .. ':outbox'
  redis.call('XADD', outbox, '*', 'kind', kind, 'conversation', conversation, 'user', user, 'payload', event)
end
