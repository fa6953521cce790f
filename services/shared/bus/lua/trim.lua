-- trim: what goes with a message, and how the oldest messages make room. A chunk, included behind `append`.
--
-- turns_of(head, message)              ids of the turns a message led to or was heard in, and of those queued in their place
-- drop_turn(head, turn)                drop its record, and with it the dead letter that nobody could read any more
-- trim_messages(head, order, kept, leaves)   drop messages beyond the newest `kept`, 0 for none. Some at a time, more than ever
--     come at once: what a lowered bound leaves goes bit by bit. A message whose turn is not over stays, and all behind it.
--     leaves(turn): called before a turn's record goes

local TRIMMED = 16

-- The message knows each turn that was queued anew for it. A release before this one left them to be found from record to record,
-- of which any may have ended.
local function turns_of(head, message)
  local found, seen, listed = {}, {}, {}
  for _, field in ipairs({ 'turns', 'turn', 'replays', 'resumes', 'heard_in' }) do
    listed[#listed + 1] = redis.call('HGET', head .. ':m:' .. message, field) or ''
  end
  for turn in string.gmatch(table.concat(listed, ','), '[^,]+') do
    while turn and not seen[turn] do
      found[#found + 1] = turn
      seen[turn] = true
      turn = redis.call('HGET', head .. ':turn:' .. turn, 'replayed')
    end
  end
  return found
end

local function drop_turn(head, turn)
  local partition, conversation = string.match(head, '^({[^}]*}):c:(.*)$')
  redis.call('UNLINK', head .. ':turn:' .. turn)
  redis.call('ZREM', partition .. ':dead', conversation .. ' ' .. turn)
  redis.call('ZREM', partition .. ':replayed', conversation .. ' ' .. turn)
end

local function are_over(head, turns)
  for _, turn in ipairs(turns) do
    local state = redis.call('HGET', head .. ':turn:' .. turn, 'state')
    if state and state ~= 'finished' then return false end
  end
  return true
end

local function trim_messages(head, order, kept, leaves)
  local excess = kept > 0 and redis.call('ZCARD', order) - kept or 0
  if excess <= 0 then return end
  for _, message in ipairs(redis.call('ZRANGE', order, 0, math.min(excess, TRIMMED) - 1)) do
    local turns = turns_of(head, message)
    if not are_over(head, turns) then return end
    for _, turn in ipairs(turns) do
      leaves(turn)
      drop_turn(head, turn)
    end
    redis.call('UNLINK', head .. ':m:' .. message, head .. ':versions:' .. message, head .. ':reactions:' .. message)
    redis.call('ZREM', order, message)
  end
end
