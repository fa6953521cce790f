-- read: one atomic look at a journal and at what is unfinished in it.
-- KEYS  1 head  2 journal; of a conversation also  3 members  4 open  5 spoken
-- ARGV  1 offset after which entries are wanted  2 1 with deltas, 0 without  3 user whose role is asked, or ''
--       4 TTL of a user journal's head in seconds; 0 for a conversation
-- Reply {1 if it exists, top, low, forks, replid, role or nil, entries {{id, kind, body}}, open {{message, header, text, units}},
--   low_delta}
-- A user journal's head is made by its first read; the head of a conversation never is.
-- include: append

local master = replid()
local ttl_s = tonumber(ARGV[4])
if ttl_s > 0 and redis.call('HEXISTS', KEYS[1], 'born') == 0 then
  birth(KEYS[1])
  redis.call('EXPIRE', KEYS[1], ttl_s)
end
if redis.call('HEXISTS', KEYS[1], 'born') == 0 then return { 0, 0, 0, '', master, false, {}, {}, 0 } end

local top, low, forks, low_delta = head_of(KEYS[1], KEYS[2])
local entries, open, role = {}, {}, false

for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+')) do
  local kind = entry[2][2]
  if kind ~= 'd' or ARGV[2] == '1' then entries[#entries + 1] = { entry[1], kind, entry[2][4] } end
end
if KEYS[3] then
  role = redis.call('HGET', KEYS[3], ARGV[3])
  open = unfinished(KEYS[1], KEYS[4], KEYS[5])
end
return { 1, integer(top), integer(low), forks, master, role, entries, open, integer(low_delta) }
