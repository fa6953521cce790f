-- thread_past: what the ancestors of a checkpoint contributed to channels, so many ancestors at a time.
-- KEYS  1 order  2 records
-- ARGV  1 space  2 checkpoint, '' for the space's latest  3 how many ancestors at most  4.. channels
-- Reply {'ok', checkpoint to go on behind, '' when all is said, {checkpoint, header} of the one asked for, empty when there is
-- none, {{ancestor, header, writes {name, record, ...}, values as in thread_read}, ...}}, nearest first: all writes (by which
-- channel they are told apart only the caller can trust, for it checks them), and values of those of the channels that no
-- nearer ancestor has a value of. {'unreadable', checkpoint, reason}.
-- include: append
-- include: thread_names
-- include: thread_records

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

-- Retention keeps the ancestors that channels are made of. So a lost parent is damage where one of them stands on it.
local function ends(open, space, id, header)
  if header.parent == '' then return end
  for _, channel in ipairs(header.needs) do
    local version = open[channel] and header.versions[channel]
    local own = version and redis.call('HEXISTS', KEYS[2], named('v', space, channel, version)) == 1
    if open[channel] and not own then
      unreadable(id, 'its parent is missing, on which channel ' .. channel .. ' stands')
    end
  end
end

replid()
return answer(function()
  local space, open, ancestors = ARGV[1], {}, {}
  for index = 4, #ARGV do open[ARGV[index]] = true end
  local id = ARGV[2] ~= '' and ARGV[2] or latest(space)
  if not id or not is_kept(space, id) then return { 'ok', '', {}, {} } end
  local header = header_of(space, id)
  local asked = { id, header.record }
  while next(open) do
    if header.parent == '' or not is_kept(space, header.parent) then
      ends(open, space, id, header)
      break
    end
    if #ancestors == tonumber(ARGV[3]) then return { 'ok', id, asked, ancestors } end
    id = header.parent
    header = header_of(space, id)
    ancestors[#ancestors + 1] =
      { id, header.record, writes_of(space, id), values_at(open, space, id, header.versions) }
  end
  return { 'ok', '', asked, ancestors }
end)
