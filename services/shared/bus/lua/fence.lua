-- fence: who may write in a conversation. A chunk, included behind `append` by every script of a worker. Those scripts pass
--   KEYS[4] lease (hash)   ARGV[3] fencing token   ARGV[4] attempt id of the lease
--
-- Token AND attempt id are compared for equality: a token counter can roll back in a failover, a random id cannot come again.
-- The clock plays no part: an owner whose lease ran out but that nobody replaced may go on; a replaced one may not.
--
-- holds_lease()                     whether the caller is the conversation's owner
-- may_speak(turn, execution)        the same, and `execution` is the turn's latest attempt (turn: key of the record)
-- lease_lost()                      the refusal
-- standing(at)                      epoch and offset of the newest entry, for replies to repeats
-- spoken_at(turn, epoch, offset)    the reply of the speech scripts: epoch, offset, 1 if the turn is to stop
--
-- Beside what accept.lua writes, a turn record holds: attempt (random id of its latest execution), started_ms, before and
-- before_ms (the attempt before that and when it began), cancelled_by, done:<source> = id of the kept message that the thread's
-- message <source> became; told = an attempt and the number of what it told last (tell.lua); usage:<attempt> = what its models
-- counted; replays = the failed turns that this one is for anew, the oldest first (comma list); handed_over = how many attempts
-- ended with their worker's in order, handed = the last of them; and once finished: outcome, reason, finished_ms, epoch and offset
-- of its turn.finished; of a failed one kind, and replayed = the turn that was queued in its place.

local function holds_lease()
  local held = redis.call('HMGET', KEYS[4], 'token', 'attempt')
  return held[1] == ARGV[3] and held[2] == ARGV[4]
end

local function may_speak(turn, execution)
  return holds_lease() and redis.call('HGET', turn, 'attempt') == execution
end

local function lease_lost()
  return { 'lease_lost', 'another worker owns this conversation' }
end

local function standing(at)
  local top, _, forks = head_of(at.head, at.journal)
  return string.match(forks, '([^=,]+)=%d+$'), top
end

local function spoken_at(turn, epoch, offset)
  local state = redis.call('HGET', turn, 'state')
  return { epoch, integer(offset), state == 'cancelling' and 1 or 0 }
end
