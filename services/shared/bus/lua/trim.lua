-- trim: what goes with a message, and how the oldest messages make room. A chunk, included behind `append`.
--
-- turns_of(head, message)              ids of the turns a message led to, and of those queued in their place
-- trim_messages(head, order, kept)     drop messages beyond the newest `kept`, 0 for none. Some at a time, more than ever come
--     at once: what a lowered bound leaves goes bit by bit. A message whose turn is not over stays, and all behind it.

local TRIMMED = 16

local function turns_of(head, message)
  local found, fields = {}, redis.call('HMGET', head .. ':m:' .. message, 'turns', 'turn')
  for turn in string.gmatch((fields[1] or '') .. ',' .. (fields[2] or ''), '[^,]+') do
    while turn do
      found[#found + 1] = turn
      turn = redis.call('HGET', head .. ':turn:' .. turn, 'replayed')
    end
  end
  return found
end

local function are_over(head, turns)
  for _, turn in ipairs(turns) do
    local state = redis.call('HGET', head .. ':turn:' .. turn, 'state')
    if state and state ~= 'finished' then return false end
  end
  return true
end

local function trim_messages(head, order, kept)
  local excess = kept > 0 and redis.call('ZCARD', order) - kept or 0
  if excess <= 0 then return end
  for _, message in ipairs(redis.call('ZRANGE', order, 0, math.min(excess, TRIMMED) - 1)) do
    local turns = turns_of(head, message)
    if not are_over(head, turns) then return end
    for _, turn in ipairs(turns) do redis.call('UNLINK', head .. ':turn:' .. turn) end
    redis.call('UNLINK', head .. ':m:' .. message)
    redis.call('ZREM', order, message)
  end
end
