-- thread_survey: all that a thread keeps, without contents.
-- KEYS  1 order  2 records
-- ARGV  none
-- Reply {headers {name in order, record, ...}, writes {name, ...}, values {name, record of runs, ...}, digest}; nil stands for a
-- header that is missing and for the record of a value without runs.
-- include: append
-- include: thread_names
-- include: thread_digest

local CONTENT = 6

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

-- What the headers name, and no look through all names: these are as many as the thread has elements. A header that
-- can't be read is the caller's to find.
local function values(ordered)
  local seen, names, found = {}, {}, {}
  for index = 1, #ordered, 2 do
    local space = string.match(ordered[index], '^c%z([^%z]*)%z')
    local fine, header = pcall(cmsgpack.unpack, string.sub(ordered[index + 1] or '', CONTENT))
    local versions = fine and type(header) == 'table' and header[2]
    for channel, version in pairs(type(versions) == 'table' and versions or {}) do
      local name = named('v', space, tostring(channel), tostring(version))
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  for index, record in ipairs(fetched(KEYS[2], names)) do
    if record then
      found[#found + 1] = names[index]
      found[#found + 1] = string.sub(record, CONTENT, CONTENT) ~= 'w' and record
    end
  end
  return found
end

replid()
local from, to = under('w')
local ordered = headers()
return { ordered, redis.call('ZRANGEBYLEX', KEYS[1], from, to), values(ordered), digest(KEYS[1]) }
