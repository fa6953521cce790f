-- thread_spaces: the spaces of a thread that have checkpoints.
-- KEYS  1 order
-- ARGV  none
-- Reply {space, ...}, sorted.
-- include: append
-- include: thread_names

replid()
local spaces = {}
local from, to = under('c')
while true do
  local name = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, 1)[1]
  if not name then return spaces end
  local space = string.sub(name, 3, string.find(name, '\0', 3, true) - 1)
  spaces[#spaces + 1] = space
  from = '[' .. named('c', space) .. '\1'
end
