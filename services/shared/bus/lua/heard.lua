-- heard: notes with a message that a turn answers it beside its own. A chunk of local functions.
--
-- note_heard(message, turn, instead_of)    message: key of a kept message; instead_of: a turn that is over and passed it on, or nil

-- By `heard_in` of a message its turn is found when it goes, and the message stays until the turn is over.
local function note_heard(message, turn, instead_of)
  local kept = {}
  for one in string.gmatch(redis.call('HGET', message, 'heard_in') or '', '[^,]+') do
    if one ~= instead_of then kept[#kept + 1] = one end
  end
  kept[#kept + 1] = turn
  redis.call('HSET', message, 'heard_in', table.concat(kept, ','))
end
