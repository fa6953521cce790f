-- deletion: how a conversation ends. A chunk, included behind `append` by scripts whose KEYS are
--   KEYS[4] members  KEYS[5] outbox  KEYS[6] leaving  KEYS[7] that it was deleted  KEYS[8] deleting  KEYS[9] lease
--   KEYS[10] running  KEYS[11] fifo  KEYS[12] queued
--
-- local epoch, offset = delete(at, conversation, by, event, linger_ms, known_s)
--    From here on the conversation has no member, so every operation answers that there is none; no lease, so its worker may
--    write nothing more; and nothing to do. What it holds is cleared away by `delete_step`, some time later: who follows it
--    reads its last event from the journal meanwhile. Takes the same time for any conversation.

local function delete(at, conversation, by, event, linger_ms, known_s)
  local epoch, offset = append(at, 'e', event)
  redis.call('HINCRBY', at.head, 'members_version', 1)
  redis.call('HSET', at.head, 'deletion', event)
  if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('RENAME', KEYS[4], KEYS[6]) end
  -- No message leads to the records of a rewind.
  for _, turn in ipairs(redis.call('LRANGE', KEYS[11], 0, -1)) do
    local record = at.head .. ':turn:' .. turn
    local fields = redis.call('HMGET', record, 'rewinds', 'gone')
    if fields[1] or fields[2] then redis.call('UNLINK', record) end
  end
  local waiting = redis.call('LLEN', KEYS[11])
  if waiting > 0 then redis.call('DECRBY', KEYS[12], waiting) end
  redis.call('DEL', KEYS[9], KEYS[11])
  redis.call('ZREM', KEYS[10], conversation)
  redis.call('SET', KEYS[7], epoch .. ' ' .. integer(offset) .. ' ' .. by, 'EX', known_s)
  redis.call('ZADD', KEYS[8], integer(now_ms() + linger_ms), conversation)
  redis.call('XADD', KEYS[5], '*', 'kind', 'conversation.deleted', 'conversation', conversation, 'user', by)
  return epoch, offset
end
