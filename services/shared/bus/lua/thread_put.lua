-- thread_put: one checkpoint with the values and elements it brings, all of it or nothing, by the conversation's owner only.
-- KEYS  1 lease  2 order  3 records
-- ARGV  1 token  2 attempt id of the lease  3 TTL in seconds, 0 for none  4 1 if it needs no parent  5 space  6 checkpoint
--       7 parent or ''  8 header  9 body  10 how many of the parent's pending writes it stands on  11 how many new elements
--       12.. names of these writes; then name, record of each new element; then name, record of each value, the record ''
--       where there is none at that version
-- Reply 'kept'; 'no_parent' when that or a write it stands on is not there; 'clash' when a new element's name stands for
-- other bytes; lease_lost. Writes each time it keeps, also on a repeat.
-- include: append
-- include: owner
-- include: thread_names

local writes, elements = 11, 11 + tonumber(ARGV[10])

local function stands(space, parent)
  if parent == '' or ARGV[4] == '1' then return true end
  if not redis.call('ZSCORE', KEYS[2], named('c', space, parent)) then return false end
  local names = {}
  for index = writes + 1, elements do names[#names + 1] = ARGV[index] end
  for _, record in ipairs(fetched(KEYS[3], names)) do
    if not record then return false end
  end
  return true
end

local function brings_what_is_there()
  local names = {}
  for index = 1, tonumber(ARGV[11]) do names[index] = ARGV[elements + 2 * index - 1] end
  for index, record in ipairs(fetched(KEYS[3], names)) do
    if record and record ~= ARGV[elements + 2 * index] then return false end
  end
  return true
end

-- A refusal is a word the caller acts on: not one of a demoted master.
local function refused(word)
  replid()
  return word
end

if not is_owner() then return lease_lost() end
local space, id, parent = ARGV[5], ARGV[6], ARGV[7]
if not stands(space, parent) then return refused('no_parent') end
if not brings_what_is_there() then return refused('clash') end
for index = elements + 1, #ARGV, 2 do
  if ARGV[index + 1] == '' then
    redis.call('HDEL', KEYS[3], ARGV[index])
  else
    redis.call('HSET', KEYS[3], ARGV[index], ARGV[index + 1])
  end
end
redis.call('HSET', KEYS[3], named('h', space, id), ARGV[8], named('b', space, id), ARGV[9])
redis.call('ZADD', KEYS[2], 0, named('c', space, id))
stay(tonumber(ARGV[3]), KEYS[2], KEYS[3])
return 'kept'
