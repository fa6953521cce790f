-- answering: who answers a message, what he is told of what was said before, and what becomes of turns that are in the way. A chunk
-- of local functions, included by accept behind `append`, `speech`, `stop`, `heard` and
-- `audit`.
--
-- A message's field `asked` holds the agents that it was put to when it was said (comma list). A release before this one asked
-- all agents of the conversation and wrote no such field: what has none was heard by all.
-- `heard:<agent>` of the head: the sequence number up to which the agent was asked; none where it always was.
--
-- who_answers(head, named)               agents that answer (list), and the way of double texting; named: words behind `@`, in
--                                        lower case, each between commas
-- asked(head, fifo, agents, way)         of each {agent, live = a turn that is not over or nil, waiting = turns that can make way,
--                                        running = the one to be stopped or nil}
-- make_way(at, askings, way, user, outbox)    end those that wait, ask those that run to stop; how many of each. Of an
--                                             interrupted one that waited, its messages stand in `carried` of the asking
-- unheard(head, order, agent, seq, most) messages of people that the agent has not heard, below `seq`: newest `most` - 1, in
--                                        order; from now on it has heard up to `seq`
-- messages_for(head, asking, since, turn, message, most)   the messages of its new turn, comma list, the message last; notes the
--                                        turn with the others

local LOOKS = 10

local function who_answers(head, named)
  local fields = redis.call('HMGET', head, 'agents', 'answers', 'double_texting')
  local answers = fields[2] and cjson.decode(fields[2]) or {}
  local mentioned, always = {}, {}
  for agent in string.gmatch(fields[1] or '', '[^,]+') do
    local when = answers[agent] or 'always'
    if when == 'always' then always[#always + 1] = agent end
    if when ~= 'never' and string.find(named, ',' .. string.lower(agent) .. ',', 1, true) then
      mentioned[#mentioned + 1] = agent
    end
  end
  return #mentioned > 0 and mentioned or always, fields[3] or 'enqueue'
end

-- What an operator queued anew makes no way: nobody would queue it once more. What only brings a thread back is in nobody's way.
local function asked(head, fifo, agents, way)
  local askings, of = {}, {}
  for index, agent in ipairs(agents) do
    askings[index] = { agent = agent, waiting = {}, carried = {} }
    of[agent] = askings[index]
  end
  if way == 'enqueue' then return askings end
  for _, turn in ipairs(redis.call('LRANGE', fifo, 0, -1)) do
    local record = redis.call('HMGET', head .. ':turn:' .. turn, 'agent', 'state', 'replays', 'rewinds')
    local asking = of[record[1] or '']
    if asking and record[2] ~= 'finished' and not record[4] then
      asking.live = asking.live or turn
      if record[2] ~= 'queued' then
        asking.running = turn
      elseif not record[3] and (way == 'interrupt' or way == 'rollback') then
        asking.waiting[#asking.waiting + 1] = turn
      end
    end
  end
  return askings
end

local function make_way(at, askings, way, user, outbox)
  local superseded, stopping = 0, 0
  if way ~= 'interrupt' and way ~= 'rollback' then return 0, 0 end
  local conversation = string.match(at.head, ':c:(.*)$')
  for _, asking in ipairs(askings) do
    for _, turn in ipairs(asking.waiting) do
      local record = redis.call('HMGET', at.head .. ':turn:' .. turn, 'messages', 'resumes')
      if way == 'interrupt' and not record[2] then
        for message in string.gmatch(record[1] or '', '[^,]+') do
          asking.carried[#asking.carried + 1] = { message, turn }
        end
      end
      finish_turn(at, conversation, turn, 'cancelled', way == 'interrupt' and 'superseded' or 'rolled back', '')
      audit('cancelled', user, conversation, turn)
      superseded = superseded + 1
    end
    if asking.running then
      if redis.call('HGET', at.head .. ':turn:' .. asking.running, 'state') == 'running' then
        audit('cancelled', user, conversation, asking.running)
      end
      stop_running(at, conversation, asking.running, way, user, outbox)
      stopping = stopping + 1
    end
  end
  return superseded, stopping
end

-- From the newest backwards, some at a time: what agents answered stands between. Never through a whole long history.
local function unheard(head, order, agent, seq, most)
  local heard = redis.call('HGET', head, 'heard:' .. agent)
  redis.call('HSET', head, 'heard:' .. agent, integer(seq))
  local found, below = {}, '(' .. integer(seq)
  local above = heard and '(' .. heard or below
  for _ = 1, LOOKS do
    local some = redis.call('ZREVRANGEBYSCORE', order, below, above, 'WITHSCORES', 'LIMIT', 0, 100)
    for index = 1, #some, 2 do
      local kept = redis.call('HMGET', head .. ':m:' .. some[index], 'user', 'asked', 'deleted')
      if kept[1] and kept[2] and not kept[3] and #found < most - 1 then table.insert(found, 1, some[index]) end
    end
    if #some < 200 or #found == most - 1 then break end
    below = '(' .. some[#some]
  end
  return found
end

local function messages_for(head, asking, since, turn, message, most)
  local list = {}
  for _, one in ipairs(asking.carried) do list[#list + 1] = one end
  for _, one in ipairs(since) do list[#list + 1] = { one } end
  local names = {}
  for index = math.max(1, #list - most + 2), #list do
    note_heard(head .. ':m:' .. list[index][1], turn, list[index][2])
    names[#names + 1] = list[index][1]
  end
  names[#names + 1] = message
  return table.concat(names, ',')
end
