-- tops: the heads of many journals of one partition.
-- KEYS  head, journal, head, journal, ...
-- ARGV  none
-- Reply {{top, low, forks}, ...} in the order of KEYS; forks is '' where there is no journal.
-- include: append

replid()
local heads = {}
for index = 1, #KEYS, 2 do
  local top, low, forks = head_of(KEYS[index], KEYS[index + 1])
  heads[#heads + 1] = { integer(top), integer(low), forks }
end
return heads
