-- tops: the heads of many journals of one partition.
-- KEYS  head, journal, head, journal, ...
-- ARGV  none
-- Reply {{top, low, forks, low_delta}, ...} in the order of KEYS; forks is '' where there is no journal.
-- include: append

replid()
local heads = {}
for index = 1, #KEYS, 2 do
  local top, low, forks, low_delta = head_of(KEYS[index], KEYS[index + 1])
  heads[#heads + 1] = { integer(top), integer(low), forks, integer(low_delta) }
end
return heads
