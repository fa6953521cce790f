-- stop: asks a running turn to stop. A chunk of local functions, included behind `append` and `outbox`.
--
-- A turn's record says in `stop` how it is to end: `cancel`, `interrupt` (it makes way for another one) or `rollback` (and nothing
-- of it stays). What asks for more holds: a plain cancel never overwrites another.
--
-- stop_running(at, conversation, turn, how, user, outbox)

local STOPS = { cancel = 1, interrupt = 2, rollback = 3 }

local function stop_running(at, conversation, turn, how, user, outbox)
  local record = at.head .. ':turn:' .. turn
  local before = redis.call('HGET', record, 'stop')
  if (STOPS[before or ''] or 0) < STOPS[how] then redis.call('HSET', record, 'stop', how) end
  redis.call('HSET', record, 'state', 'cancelling', 'cancelled_by', user)
  -- Only the quickest of its roads: the owner learns of it with its next delta or renewal too.
  if room_in(outbox) > 0 then
    redis.call('XADD', outbox, '*', 'kind', 'turn.cancel', 'conversation', conversation, 'user', user, 'turn', turn)
  end
end
