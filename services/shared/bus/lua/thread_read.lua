-- thread_read: a checkpoint with its values and pending writes, as of one moment.
-- KEYS  1 order  2 records
-- ARGV  1 space  2 checkpoint, '' for the space's latest
-- Reply {'ok', checkpoint, header, body, values {{channel, record, {element, ...}}, ...}, writes {name, record, ...}}; nil when
-- there is none; {'unreadable', checkpoint, reason}. A record that is missing is nil.
-- include: append
-- include: thread_names
-- include: thread_records

replid()
return answer(function()
  local space = ARGV[1]
  local id = ARGV[2] ~= '' and ARGV[2] or latest(space)
  if not id or not is_kept(space, id) then return false end
  local header, values = header_of(space, id), {}
  for channel, version in pairs(header.versions) do
    values[#values + 1] = value_of(space, id, channel, version)
  end
  return { 'ok', id, header.record, redis.call('HGET', KEYS[2], named('b', space, id)), values, writes_of(space, id) }
end)
