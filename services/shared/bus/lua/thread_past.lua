-- thread_past: what the ancestors of a checkpoint contributed to channels, so many ancestors at a time.
-- KEYS  1 order  2 records
-- ARGV  1 space  2 checkpoint, '' for the space's latest  3 how many ancestors at most  4.. channels
-- Reply {'ok', checkpoint to go on behind, '' when all is said, {{ancestor, writes {name, record, ...}, values as in
-- thread_read}, ...}}, nearest first: the writes to those of the channels that no nearer ancestor has a value of, and values.
-- {'unreadable', checkpoint, reason}.
-- include: append
-- include: thread_names
-- include: thread_records

-- The channel behind the format byte and the path; nil in a record that is none.
local function channel_of(record)
  local path_end = string.find(record, '\0', 2, true)
  local channel_end = path_end and string.find(record, '\0', path_end + 1, true)
  return channel_end and string.sub(record, path_end + 1, channel_end - 1)
end

local function writes_to(open, space, id)
  local found, writes = {}, writes_of(space, id)
  for index = 1, #writes, 2 do
    local record = writes[index + 1]
    local channel = record and channel_of(record)
    if not channel then unreadable(id, 'a pending write is missing or truncated') end
    if open[channel] then
      found[#found + 1] = writes[index]
      found[#found + 1] = record
    end
  end
  return found
end

-- Takes the channels it has a value of off `open`: their past ends here.
local function values_at(open, space, id, versions)
  local values = {}
  for channel in pairs(open) do
    local version = versions[channel]
    values[#values + 1] = version and value_of(space, id, channel, version)
  end
  for _, value in ipairs(values) do open[value[1]] = nil end
  return values
end

replid()
return answer(function()
  local space, open, ancestors = ARGV[1], {}, {}
  for index = 4, #ARGV do open[ARGV[index]] = true end
  local id = ARGV[2] ~= '' and ARGV[2] or latest(space)
  if not id or not is_kept(space, id) then return { 'ok', '', {} } end
  local header = header_of(space, id)
  while next(open) and header.parent ~= '' and is_kept(space, header.parent) do
    if #ancestors == tonumber(ARGV[3]) then return { 'ok', id, ancestors } end
    id = header.parent
    header = header_of(space, id)
    local writes = writes_to(open, space, id)
    ancestors[#ancestors + 1] = { id, writes, values_at(open, space, id, header.versions) }
  end
  return { 'ok', '', ancestors }
end)
