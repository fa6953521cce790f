-- speech: ends unfinished messages and turns. A chunk, included behind `append`; `at` is `here()`.
--
-- forget_speech(at, message, first)             drop header, units, draft and deltas; first: offset of message.started
-- retract(at, conversation, message, reason)    take one unfinished message back by the name of the attempt that spoke it; a tool's
--                                               call, or an agent within the agent, ends as cancelled
-- retract_all(at, conversation, reason, turn)   the same for all unfinished messages, or those of one turn
-- take_back(at, conversation, turn, reason)     the same for what the turn's own attempts completed, the oldest first: it is kept no more
-- leave_queue(at, turn)                         take a turn out of the FIFO, and out of the partition's count of queued turns
-- usage_of(record)                              what the models of all attempts of a turn counted, as JSON, or nil
-- finish_turn(at, conversation, turn, outcome, reason, attempt, keep, usage)   the turn's one final: event, record, FIFO; keep:
--                                               why its trace is kept, or nil
-- end_record(at, turn, outcome, reason, epoch, offset)   the same without an event; epoch, offset: what a repeat gets
-- traced(at, turn)                              the member `trace` of events of a turn, directly behind `type`; '' without one

local function quoted(text)
  return cjson.encode(text)
end

local function traced(at, turn)
  local trace = redis.call('HGET', at.head .. ':turn:' .. turn, 'trace')
  return trace and trace ~= '' and ',"trace":' .. quoted(trace) or ''
end

local function forget_speech(at, message, first)
  drop_deltas(at.journal, message, first)
  redis.call('DEL', at.head .. ':draft:' .. message)
  redis.call('HDEL', at.head .. ':open', message)
  redis.call('HDEL', at.head .. ':spoken', message)
end

local function tell_retracted(at, conversation, message, turn, attempt, reason)
  return append(at, 'e', '{"type":"message.retracted"' .. traced(at, turn) .. ',"conversation":' .. quoted(conversation)
    .. ',"message":' .. quoted(message) .. ',"turn":' .. quoted(turn) .. ',"attempt":' .. quoted(attempt)
    .. ',"reason":' .. quoted(reason) .. '}')
end

local function tell_cancelled(at, conversation, call, header, draft)
  local path = header.path and ',"path":' .. cjson.encode(header.path) or ''
  local what = header.kind == 'tool'
    and ',"call":' .. quoted(call) .. ',"name":' .. quoted(header.name) .. ',"arguments":' .. quoted(draft)
    or ',"subagent":' .. quoted(call)
  return append(at, 'e', '{"type":"' .. header.kind .. '.finished"' .. traced(at, header.turn) .. ',"conversation":'
    .. quoted(conversation) .. ',"agent":' .. quoted(header.agent) .. ',"turn":' .. quoted(header.turn) .. ',"attempt":'
    .. quoted(header.attempt) .. what .. ',"outcome":"cancelled"' .. path .. '}')
end

local function retract(at, conversation, message, reason)
  local header = cjson.decode(redis.call('HGET', at.head .. ':open', message))
  local draft = redis.call('GET', at.head .. ':draft:' .. message) or ''
  forget_speech(at, message, header.first)
  if header.kind == 'tool' or header.kind == 'subagent' then
    return tell_cancelled(at, conversation, message, header, draft)
  end
  return tell_retracted(at, conversation, message, header.turn, header.attempt, reason)
end

local function retract_all(at, conversation, reason, turn)
  local open = redis.call('HGETALL', at.head .. ':open')
  for i = 1, #open, 2 do
    if not turn or cjson.decode(open[i + 1]).turn == turn then retract(at, conversation, open[i], reason) end
  end
end

-- What a failed turn completed, which this one was queued anew for, is in its record too, and stays.
local function take_back(at, conversation, turn, reason)
  local record, kept = redis.call('HGETALL', at.head .. ':turn:' .. turn), {}
  for i = 1, #record, 2 do
    if string.sub(record[i], 1, 5) == 'done:' then
      local message = redis.call('HMGET', at.head .. ':m:' .. record[i + 1], 'turn', 'seq', 'attempt')
      if message[1] == turn then kept[#kept + 1] = { record[i + 1], tonumber(message[2]), message[3] } end
    end
  end
  table.sort(kept, function(one, other) return one[2] < other[2] end)
  for _, one in ipairs(kept) do
    redis.call('UNLINK', at.head .. ':m:' .. one[1], at.head .. ':versions:' .. one[1], at.head .. ':reactions:' .. one[1])
    redis.call('ZREM', at.head .. ':order', one[1])
    tell_retracted(at, conversation, one[1], turn, one[3], reason)
  end
end

local function leave_queue(at, turn)
  local left = redis.call('LREM', at.head .. ':fifo', 0, turn)
  if left > 0 then redis.call('DECRBY', string.match(at.head, '^{[^}]*}') .. ':queued', left) end
end

local function usage_of(record)
  local fields, sums, members = redis.call('HGETALL', record), {}, {}
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 6) == 'usage:' then
      for name, count in pairs(cjson.decode(fields[i + 1])) do sums[name] = (sums[name] or 0) + count end
    end
  end
  for name, count in pairs(sums) do members[#members + 1] = quoted(name) .. ':' .. integer(count) end
  table.sort(members)
  return #members > 0 and '{' .. table.concat(members, ',') .. '}' or nil
end

local function end_record(at, turn, outcome, reason, epoch, offset)
  local record = at.head .. ':turn:' .. turn
  leave_queue(at, turn)
  redis.call('HSET', record, 'state', 'finished', 'outcome', outcome, 'reason', reason, 'finished_ms', integer(now_ms()),
    'epoch', epoch, 'offset', integer(offset))
  redis.call('EXPIRE', record, at.ttl_s)
end

local function finish_turn(at, conversation, turn, outcome, reason, attempt, keep, usage)
  local because = reason ~= '' and ',"reason":' .. quoted(reason) or ''
  local kept = keep and keep ~= '' and ',"keep":' .. quoted(keep) or ''
  local epoch, offset = append(at, 'e', '{"type":"turn.finished"' .. traced(at, turn) .. ',"conversation":' .. quoted(conversation)
    .. ',"turn":' .. quoted(turn) .. ',"attempt":' .. quoted(attempt) .. ',"outcome":' .. quoted(outcome) .. because
    .. (usage and ',"usage":' .. usage or '') .. kept .. '}')
  end_record(at, turn, outcome, reason, epoch, offset)
  return epoch, offset
end
