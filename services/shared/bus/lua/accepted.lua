-- accepted: ids that people's messages and answers were taken under, and what a repeat of them gets. A chunk, included behind
-- `append`; `key` is the conversation's :accepted.
--
-- taken_before(key, id)        user, digest, epoch, offset, turns of an id that was taken; nil for one that is not known
-- remember_id(key, id, kept_ms, user, digest, epoch, offset, turns)
-- kept_for_ms(window_ms)       how long an id is known: more than two windows after it was made
-- too_far(what, id, made_ms, window_ms)   the refusal of an id made too far from the server's clock; nil if it was not

local MARGIN_MS = 3600000 -- how far clocks of two masters may be apart

local function kept_for_ms(window_ms) return 2 * window_ms + MARGIN_MS end

-- Ids are of one length, so a record is found by its beginning.
local function taken_before(key, id)
  local record = redis.call('ZRANGEBYLEX', key, '[' .. id .. ' ', '(' .. id .. '!', 'LIMIT', 0, 1)[1]
  if record then return string.match(record, '^%S+ (%S+) (%S+) (%S+) (%S+) ?(.*)$') end
end

-- UUIDv7 sort by the time they were made, so the oldest stand first; some at a time, more than come.
local function remember_id(key, id, kept_ms, user, digest, epoch, offset, turns)
  local oldest = now_ms() - kept_ms
  local cut = string.format('(%08x-%04x', math.floor(oldest / 65536), oldest % 65536)
  local over = redis.call('ZRANGEBYLEX', key, '-', cut, 'LIMIT', 0, 16)
  if #over > 0 then redis.call('ZREM', key, unpack(over)) end
  redis.call('ZADD', key, 0, table.concat({ id, user, digest, epoch, integer(offset), turns }, ' '))
  redis.call('PEXPIRE', key, integer(kept_ms))
end

local function too_far(what, id, made_ms, window_ms)
  if math.abs(now_ms() - made_ms) <= window_ms then return end
  local behind_s = math.floor((now_ms() - made_ms) / 1000)
  local way = behind_s > 0 and ' s behind' or ' s ahead of'
  return { 'outside', what .. ' id ' .. id .. ' was made ' .. integer(math.abs(behind_s)) .. way .. " the server's clock; at most "
    .. integer(window_ms / 1000) .. ' s are allowed: was it kept too long, or is the clock that made it wrong?' }
end
