-- thread_digest: by what a copy of a thread is known, and whether a thread is still as it was surveyed. A chunk.
--
-- digest(order)   the same for two threads with the same checkpoints and pending writes

local function digest(order)
  return redis.sha1hex(table.concat(redis.call('ZRANGE', order, 0, -1), '\1'))
end
