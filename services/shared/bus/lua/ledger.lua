-- ledger: the turns that a conversation can go back to before. A chunk of local functions, included behind `append`.
--
-- <base>:begun   list, the oldest first: "<turn> <agent> <low> <high> <message> <time> <kind>" of each turn that began: sequence
--                numbers of the first and of the last message it answers, the last one's id, when it began in ms, and f (fresh),
--                r (it brought an answer) or p (it was queued anew). Of each agent the newest so many: further back its
--                thread keeps no place to go back to (core/retention).
-- head back_floor   sequence number of the last message from which there is no way back: a turn that answered it is not listed
--                   any more. None in a conversation of an earlier release, whose turns nobody listed.
--
-- begun_turns(at)                                  the list, as tables
-- note_begun(at, turn, agent, kept, kind, most)    kept: its messages as flat lists; most: turns of one agent that are listed
-- seqs_of(kept)                                    low, high, id of the highest of them; 0, 0, '-' where none can be read

local MOST_LISTED = 8 -- times the turns of one agent, of all together

local function seqs_of(kept)
  local low, high, message = 0, 0, '-'
  for _, flat in ipairs(kept) do
    local seq, id = 0, '-'
    for index = 1, #flat, 2 do
      if flat[index] == 'seq' then seq = tonumber(flat[index + 1]) or 0 end
      if flat[index] == 'id' then id = flat[index + 1] end
    end
    if seq > high then high, message = seq, id end
    if seq > 0 and (low == 0 or seq < low) then low = seq end
  end
  return low, high, message
end

local function begun_turns(at)
  local found = {}
  for index, entry in ipairs(redis.call('LRANGE', at.head .. ':begun', 0, -1)) do
    local turn, agent, low, high, message, time, kind = string.match(entry, '^(%S+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+)')
    found[index] = { entry = entry, turn = turn, agent = agent, low = tonumber(low), high = tonumber(high), message = message,
      time = tonumber(time), kind = kind }
  end
  return found
end

local function note_begun(at, turn, agent, kept, kind, most)
  local key, low, high, message = at.head .. ':begun', seqs_of(kept)
  local floor = tonumber(redis.call('HGET', at.head, 'back_floor') or '')
  if not floor then floor = low > 0 and low - 1 or tonumber(redis.call('HGET', at.head, 'message_seq') or 0) end
  redis.call('RPUSH', key, table.concat({ turn, agent, integer(low), integer(high), message, integer(now_ms()), kind }, ' '))
  local listed, of_agent = begun_turns(at), 0
  for index = #listed, 1, -1 do
    if listed[index].agent == agent then of_agent = of_agent + 1 end
    local over = #listed - index >= MOST_LISTED * most
    if over or (listed[index].agent == agent and of_agent > most) then
      redis.call('LREM', key, 1, listed[index].entry)
      floor = math.max(floor, listed[index].high)
    end
  end
  redis.call('HSET', at.head, 'back_floor', integer(floor))
end
