-- recount: how many turns a partition's FIFOs hold, counted anew; mends the count the other scripts keep.
-- KEYS  1 ready  2 running  3 queued
-- ARGV  1 what the keys of the partition's conversations begin with
-- Reply the number of turns. A FIFO that holds turns has a ready entry or a lease: so all of them are found by these two.

local seen, turns = {}, 0

local function count(conversation)
  if seen[conversation] then return end
  seen[conversation] = true
  turns = turns + redis.call('LLEN', ARGV[1] .. conversation .. ':fifo')
end

for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do count(entry[2][2]) end
for _, conversation in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do count(conversation) end
if turns ~= tonumber(redis.call('GET', KEYS[3]) or 0) then redis.call('SET', KEYS[3], turns) end
return turns
