-- asking: what agents wait for people to say. A chunk, included behind `append`; `at` is `here()`.
--
-- <base>:asked       interrupt id -> JSON; `time`, `interrupt`, `turn` and `agent` stand first, in this order, so that they are
--                    found without parsing a value that anybody made
-- <base>:answered    interrupt id -> JSON {"outcome", "user" if known, "turn": of an answer the turn that resumes, "time"}
-- head waits:<agent> the turn after which the agent's thread waits: its record stays as long, for it knows what was said
--
-- asked_by(entry)                       interrupt, turn, agent, time of an entry of :asked
-- outcome_of(at, interrupt, outcome, user, turn)   note what became of it; the older half makes room
-- outcome_told(known)                   a sentence on who answered or withdrew it
-- withdraw(at, conversation, agent, user, kept)   nobody is to answer any more what this agent asked ('': any agent); but for the
--                                       ids in `kept`; user: who made it so, or ''. How many
-- waits_no_more(at, agent)              the agent's thread went on
-- trimmed(at, conversation)             for trim.lua: what a turn asked is withdrawn when the message it is about goes
-- waits_after(at, agent, turn)          the agent's thread waits since this turn, whose record is kept

local MOST_ANSWERED = 1000

local function asked_by(entry)
  local time, interrupt, turn, agent =
    string.match(entry, '^{"time":(%d+),"interrupt":"([^"]*)","turn":"([^"]*)","agent":"([^"]*)"')
  return interrupt, turn, agent, tonumber(time)
end

local function make_room(key)
  local known, times = redis.call('HGETALL', key), {}
  for index = 2, #known, 2 do times[#times + 1] = tonumber(string.match(known[index], '"time":(%d+)') or 0) end
  table.sort(times)
  local middle = times[math.ceil(#times / 2)]
  for index = 1, #known, 2 do
    if tonumber(string.match(known[index + 1], '"time":(%d+)') or 0) <= middle then redis.call('HDEL', key, known[index]) end
  end
end

local function outcome_of(at, interrupt, outcome, user, turn)
  local key, by = at.head .. ':answered', user ~= '' and '"user":' .. cjson.encode(user) .. ',' or ''
  if redis.call('HLEN', key) >= MOST_ANSWERED then make_room(key) end
  local told = '{"outcome":"' .. outcome .. '",' .. by .. '"turn":"' .. turn .. '","time":' .. integer(now_ms()) .. '}'
  redis.call('HSET', key, interrupt, told)
end

local function outcome_told(known)
  local said = cjson.decode(known)
  if said.outcome == 'answered' then return (said.user or 'somebody') .. ' answered it' end
  return 'withdrawn' .. (said.user and ' by what ' .. said.user .. ' did' or '')
end

local function told_as_answered(at, conversation, turn, agent, interrupt, trace, rest)
  local traced_by = trace and trace ~= '' and ',"trace":' .. cjson.encode(trace) or ''
  return append(at, 'e', '{"type":"input.answered"' .. traced_by .. ',"conversation":' .. cjson.encode(conversation) .. ',"turn":'
    .. cjson.encode(turn) .. ',"agent":' .. cjson.encode(agent) .. ',"interrupt":' .. cjson.encode(interrupt) .. rest .. '}')
end

local function withdraw(at, conversation, agent, user, kept)
  local entries, gone = redis.call('HVALS', at.head .. ':asked'), 0
  table.sort(entries) -- by time: the same order for everybody
  for _, entry in ipairs(entries) do
    local interrupt, turn, by = asked_by(entry)
    if (agent == '' or by == agent) and not (kept and kept[interrupt]) then
      redis.call('HDEL', at.head .. ':asked', interrupt)
      local who = user ~= '' and ',"user":' .. cjson.encode(user) or ''
      told_as_answered(at, conversation, turn, by, interrupt, redis.call('HGET', at.head .. ':turn:' .. turn, 'trace'),
        who .. ',"outcome":"withdrawn"')
      outcome_of(at, interrupt, 'withdrawn', user, turn)
      gone = gone + 1
    end
  end
  return gone
end

local function waits_no_more(at, agent)
  local turn = redis.call('HGET', at.head, 'waits:' .. agent)
  if not turn then return end
  redis.call('HDEL', at.head, 'waits:' .. agent)
  local record = redis.call('HMGET', at.head .. ':turn:' .. turn, 'state', 'kept_s')
  if record[1] == 'finished' then redis.call('EXPIRE', at.head .. ':turn:' .. turn, record[2] or at.ttl_s) end
end

local function waits_after(at, agent, turn)
  if redis.call('HGET', at.head, 'waits:' .. agent) ~= turn then waits_no_more(at, agent) end
  redis.call('HSET', at.head, 'waits:' .. agent, turn)
  redis.call('PERSIST', at.head .. ':turn:' .. turn)
end

local function trimmed(at, conversation)
  return function(turn)
    local agent = redis.call('HGET', at.head .. ':turn:' .. turn, 'agent')
    if not agent or redis.call('HGET', at.head, 'waits:' .. agent) ~= turn then return end
    withdraw(at, conversation, agent, '')
    waits_no_more(at, agent)
  end
end
