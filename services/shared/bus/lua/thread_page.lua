-- thread_page: checkpoints of a space without their values, newest first.
-- KEYS  1 order  2 records
-- ARGV  1 space  2 checkpoint before which they are wanted, '' for the newest  3 how many
-- Reply {{checkpoint, header, body}, ...}; a record that is missing is nil.
-- include: append
-- include: thread_names

replid()
local space, before = ARGV[1], ARGV[2]
local from, to = under(named('c', space))
if before ~= '' then to = '(' .. named('c', space, before) end
local page = {}
for _, name in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], to, from, 'LIMIT', 0, ARGV[3])) do
  local id = string.sub(name, #space + 4)
  local records = redis.call('HMGET', KEYS[2], named('h', space, id), named('b', space, id))
  page[#page + 1] = { id, records[1], records[2] }
end
return page
