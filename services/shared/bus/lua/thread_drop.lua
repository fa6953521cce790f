-- thread_drop: take out of a thread what nobody needs any more, by the conversation's owner only.
-- KEYS  1 lease  2 order  3 records
-- ARGV  1 token  2 attempt id of the lease  3 digest of thread_survey's that this was judged by, '' for none; then four lists,
--       each as the number of its items and the items' words:
--       checkpoints (space, checkpoint); places whose pending writes go (space, checkpoint); values (space, channel, version);
--       elements (space, channel, first number, how many)
-- Reply 1; 0 when the thread has another digest by now, and nothing was dropped; lease_lost. What is not there is passed over.
-- include: append
-- include: owner
-- include: thread_names
-- include: thread_digest

local at = 4
local ordered, fields = {}, {}

-- Hands each item's words to `each`; the list's length is in front of it.
local function items(words, each)
  local last = at + tonumber(ARGV[at]) * words
  for first = at + 1, last, words do each(unpack(ARGV, first, first + words - 1)) end
  at = last + 1
end

if not is_owner() then return lease_lost() end
redis.call('HSET', KEYS[1], 'attempt', ARGV[2]) -- a write to wait for
if ARGV[3] ~= '' and ARGV[3] ~= digest(KEYS[2]) then
  replid() -- the caller acts on this: a demoted master must not say it
  return 0
end
items(2, function(space, id)
  ordered[#ordered + 1] = named('c', space, id)
  fields[#fields + 1] = named('h', space, id)
  fields[#fields + 1] = named('b', space, id)
end)
items(2, function(space, id)
  local from, to = under(named('w', space, id))
  for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], from, to)) do
    ordered[#ordered + 1] = name
    fields[#fields + 1] = name
  end
end)
items(3, function(space, channel, version)
  fields[#fields + 1] = named('v', space, channel, version)
end)
items(4, function(space, channel, first, count)
  for step = 0, tonumber(count) - 1 do
    fields[#fields + 1] = named('e', space, channel, integer(tonumber(first) + step))
  end
end)
in_chunks('ZREM', KEYS[2], ordered)
in_chunks('HDEL', KEYS[3], fields)
return 1
