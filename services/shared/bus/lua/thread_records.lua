-- thread_records: what scripts read out of records. A chunk, included behind `append` and `thread_names` by scripts with
--   KEYS[1] order (zset)   KEYS[2] records (hash)
-- and the body of the script inside `answer`. A record that can't be read ends it with {'unreadable', checkpoint, reason}.
-- Checksums (bytes 2 to 5) are not looked at here: each header and value that a script goes by must be in its reply.
--
-- answer(body)                         the script's reply
-- latest(space)                        id of the space's newest checkpoint, nil without one
-- is_kept(space, id)                   whether there is such a checkpoint
-- header_of(space, id)                 its header: {record =, parent =, versions = {channel = version}, needs = {channel, ...}}
-- value_of(space, id, channel, version)   {channel, record, {element, ...}}, nil where there is none
-- writes_of(space, id)                 its pending writes, {name, record, ...}

local CONTENT = 6
local READABLE = { [1] = true, [2] = true }

local function unreadable(id, reason)
  error({ unreadable = id, reason = reason })
end

local function answer(body)
  local fine, reply = pcall(body)
  if fine then return reply end
  if type(reply) == 'table' and reply.unreadable then return { 'unreadable', reply.unreadable, reply.reason } end
  error(reply)
end

-- The msgpack array in a record, from a byte on. Counts and types inside are the caller's to check.
local function unpacked(id, what, record, from)
  if not READABLE[string.byte(record, 1)] then unreadable(id, what .. ' is of an unknown format') end
  local fine, array = pcall(cmsgpack.unpack, string.sub(record, from))
  if not fine or type(array) ~= 'table' then unreadable(id, what .. ' is no msgpack array') end
  return array
end

local function latest(space)
  local from, to = under(named('c', space))
  local name = redis.call('ZREVRANGEBYLEX', KEYS[1], to, from, 'LIMIT', 0, 1)[1]
  return name and string.sub(name, #space + 4)
end

local function is_kept(space, id)
  return redis.call('ZSCORE', KEYS[1], named('c', space, id)) ~= false
end

local function header_of(space, id)
  local record = redis.call('HGET', KEYS[2], named('h', space, id))
  if not record then unreadable(id, 'the header is missing') end
  local array = unpacked(id, 'the header', record, CONTENT)
  local parent, versions, needs = array[1], array[2], array[3]
  local shaped = type(parent) == 'string' and type(versions) == 'table' and type(needs) == 'table'
  if not shaped then unreadable(id, 'the header is malformed') end
  for channel, version in pairs(versions) do
    if type(channel) ~= 'string' or type(version) ~= 'string' then unreadable(id, 'the header is malformed') end
  end
  return { record = record, parent = parent, versions = versions, needs = needs }
end

-- No run is longer than there are records: a damaged count must not keep the server busy.
local function element_names(space, id, channel, record)
  local names, most = {}, redis.call('HLEN', KEYS[2])
  local what = 'the value of channel ' .. channel
  for _, run in ipairs(unpacked(id, what, record, CONTENT + 1)) do
    local first, count = nil, nil
    if type(run) == 'table' then first, count = run[1], run[2] end
    if type(first) ~= 'number' or type(count) ~= 'number' or count > most then unreadable(id, what .. ' has malformed runs') end
    for step = 0, count - 1 do names[#names + 1] = named('e', space, channel, integer(first + step)) end
  end
  return names
end

local function value_of(space, id, channel, version)
  local record = redis.call('HGET', KEYS[2], named('v', space, channel, version))
  if not record then return nil end
  local kind = string.sub(record, CONTENT, CONTENT)
  if kind ~= 'l' and kind ~= 'd' then return { channel, record, {} } end
  return { channel, record, fetched(KEYS[2], element_names(space, id, channel, record)) }
end

local function writes_of(space, id)
  local from, to = under(named('w', space, id))
  local names = redis.call('ZRANGEBYLEX', KEYS[1], from, to)
  local found, records = {}, fetched(KEYS[2], names)
  for index, name in ipairs(names) do
    found[#found + 1] = name
    found[#found + 1] = records[index]
  end
  return found
end
