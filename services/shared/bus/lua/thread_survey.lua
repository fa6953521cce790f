-- thread_survey: all that a thread keeps, without contents.
-- KEYS  1 order  2 records
-- ARGV  none
-- Reply {headers {name in order, record, ...}, writes {name, ...}, values {name, record of runs, ...}}; nil stands for a header
-- that is missing and for the record of a value without runs.
-- include: append
-- include: thread_names

local function headers()
  local from, to = under('c')
  local names, fields, found = redis.call('ZRANGEBYLEX', KEYS[1], from, to), {}, {}
  for _, name in ipairs(names) do fields[#fields + 1] = 'h' .. string.sub(name, 2) end
  for index, record in ipairs(fetched(KEYS[2], fields)) do
    found[#found + 1] = names[index]
    found[#found + 1] = record
  end
  return found
end

local function values()
  local found = {}
  for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
    if string.sub(name, 1, 2) == 'v\0' then
      local record = redis.call('HGET', KEYS[2], name)
      found[#found + 1] = name
      found[#found + 1] = string.sub(record, 2, 2) ~= 'w' and record
    end
  end
  return found
end

replid()
local from, to = under('w')
return { headers(), redis.call('ZRANGEBYLEX', KEYS[1], from, to), values() }
