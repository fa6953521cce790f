-- thread_names: what the records of a thread are called, and commands on many of them. A chunk; keys.py says where a
-- thread lies, thread_records.py what its records hold.
--
-- named(kind, ...)                 a record's name
-- local from, to = under(prefix)   the lexicographic range of all names that go on behind `prefix`
-- in_chunks(command, key, names)   one command on many names: a call takes no more arguments than Lua's stack holds
-- fetched(records, names)          their records in order, false where there is none
-- stay(ttl_s, ...)                 let keys end after so many seconds, or never

local CHUNK = 1000

local function named(...)
  return table.concat({ ... }, '\0')
end

local function under(prefix)
  return '[' .. prefix .. '\0', '(' .. prefix .. '\1'
end

local function in_chunks(command, key, names)
  for first = 1, #names, CHUNK do
    redis.call(command, key, unpack(names, first, math.min(first + CHUNK - 1, #names)))
  end
end

local function fetched(records, names)
  local found = {}
  for first = 1, #names, CHUNK do
    local part = redis.call('HMGET', records, unpack(names, first, math.min(first + CHUNK - 1, #names)))
    for index = 1, #part do found[first + index - 1] = part[index] end
  end
  return found
end

local function stay(ttl_s, ...)
  for _, key in ipairs({ ... }) do
    if ttl_s > 0 then redis.call('EXPIRE', key, ttl_s) else redis.call('PERSIST', key) end
  end
end
