-- append: the one way into a journal. A chunk of local functions, included by every script that appends or reads a head;
-- never run by itself. Scripts that use `here()` pass
--   KEYS[1] head (hash)   KEYS[2] journal (stream)   KEYS[3] live (pub/sub channel)
--   ARGV[1] length bound of the journal, in entries   ARGV[2] TTL of the journal, in seconds
--
-- local at = here()                                where this script appends; set at.head_ttl_s for a head that may expire
-- now_ms() / now_us()                              the master's clock, one value for the whole script
-- replid()                                         the master's replication id
-- birth(head)                                      make a journal head unless it is there
-- local epoch, offset = append(at, kind, body, message)   body: JSON object text without "time"; message: for deltas only
-- publish(live, kind, body)                        a live payload without a place in the journal
-- drop_deltas(journal, message, first)             delete a message's deltas; first: offset of its message.started
-- local top, low, forks, low_delta = head_of(head, journal)   low counts a journal that expired
-- unfinished(head, open, spoken)                   open messages: {{message, header, text so far, UTF-16 units}, ...}

local clock = nil
local replication = nil

local function now_us()
  if not clock then
    local time = redis.call('TIME')
    clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return clock
end

local function now_ms()
  return math.floor(now_us() / 1000)
end

local function integer(number)
  return string.format('%.0f', number)
end

-- A demoted master must not answer from what it holds: the client takes READONLY as word to ask the Sentinels again.
local function replid()
  if not replication then
    local info = redis.call('INFO', 'replication')
    if not string.find(info, 'role:master', 1, true) then error({ err = 'READONLY this server is a replica' }) end
    replication = string.match(info, 'master_replid:(%x+)')
  end
  return replication
end

local function base36(number)
  local digits, text = '0123456789abcdefghijklmnopqrstuvwxyz', ''
  repeat
    local digit = number % 36
    text = string.sub(digits, digit + 1, digit + 1) .. text
    number = math.floor(number / 36)
  until number == 0
  return text
end

-- A journal made anew under the same master is another epoch, hence its birth in the name.
local function epoch_of(born)
  return string.sub(replid(), 1, 10) .. '.' .. born
end

local function birth(head)
  if redis.call('HEXISTS', head, 'born') == 1 then return end
  local born = base36(now_us())
  redis.call('HSET', head, 'born', born, 'top', 0, 'low', 0, 'forks', epoch_of(born) .. '=1')
end

local function here()
  return { head = KEYS[1], journal = KEYS[2], live = KEYS[3], length = tonumber(ARGV[1]), ttl_s = tonumber(ARGV[2]) }
end

-- Everything an expired journal held is gone, so its readers must stand at the top.
local function head_of(head, journal)
  local fields = redis.call('HMGET', head, 'top', 'low', 'forks', 'low_delta')
  local top, low = tonumber(fields[1] or 0), tonumber(fields[2] or 0)
  if top > low and redis.call('EXISTS', journal) == 0 then low = top end
  return top, low, fields[3] or '', tonumber(fields[4] or 0)
end

-- A fork whose last offset is below `low` serves nobody; dropping it keeps the list as short as the journal.
local function forks_with(forks, epoch, first, low)
  local kept, known = {}, {}
  for name, start in string.gmatch(forks, '([^=,]+)=(%d+)') do known[#known + 1] = { name, tonumber(start) } end
  known[#known + 1] = { epoch, first }
  for index, fork in ipairs(known) do
    local following = known[index + 1]
    if not following or following[2] - 1 >= low then kept[#kept + 1] = fork[1] .. '=' .. integer(fork[2]) end
  end
  return table.concat(kept, ',')
end

-- Deltas leave without raising `low`: the draft holds their text, so a reader of drafts has missed nothing. Who follows
-- deltas has: `low_delta` tells it.
local function trim(at, low, low_delta)
  local excess = redis.call('XLEN', at.journal) - at.length
  if excess <= 0 then return low, low_delta end
  for _, entry in ipairs(redis.call('XRANGE', at.journal, '-', '+', 'COUNT', excess)) do
    local offset = tonumber(string.match(entry[1], '^%d+'))
    if entry[2][2] == 'd' then low_delta = offset else low = math.max(low, offset) end
    redis.call('XDEL', at.journal, entry[1])
  end
  return low, low_delta
end

local function publish_at(live, kind, epoch, offset, body)
  redis.call('PUBLISH', live, '1 ' .. kind .. ' ' .. epoch .. ' ' .. offset .. ' ' .. body)
end

local function publish(live, kind, body)
  publish_at(live, kind, '-', '0', body)
end

local function append(at, kind, body, message)
  birth(at.head)
  local top, low, forks, low_delta = head_of(at.head, at.journal)
  local epoch = epoch_of(redis.call('HGET', at.head, 'born'))
  local offset = top + 1
  if string.match(forks, '([^=,]+)=%d+$') ~= epoch then forks = forks_with(forks, epoch, offset, low) end
  local timed = '{"time":' .. integer(now_ms()) .. ',' .. string.sub(body, 2)
  local id = integer(offset)
  if message then
    redis.call('XADD', at.journal, id .. '-0', 'k', kind, 'b', timed, 'm', message)
  else
    redis.call('XADD', at.journal, id .. '-0', 'k', kind, 'b', timed)
  end
  low, low_delta = trim(at, low, low_delta)
  redis.call('HSET', at.head, 'top', id, 'low', integer(low), 'forks', forks, 'low_delta', integer(low_delta),
    'touched_ms', integer(now_ms()))
  redis.call('EXPIRE', at.journal, at.ttl_s)
  if at.head_ttl_s then redis.call('EXPIRE', at.head, at.head_ttl_s) end
  publish_at(at.live, kind, epoch, id, timed)
  return epoch, offset
end

local function drop_deltas(journal, message, first)
  local from = integer(first) .. '-0'
  while true do
    local entries = redis.call('XRANGE', journal, from, '+', 'COUNT', 500)
    for _, entry in ipairs(entries) do
      if entry[2][2] == 'd' and entry[2][6] == message then redis.call('XDEL', journal, entry[1]) end
    end
    if #entries < 500 then return end
    from = '(' .. entries[#entries][1]
  end
end

local function unfinished(head, open, spoken)
  local headers, found = redis.call('HGETALL', open), {}
  for index = 1, #headers, 2 do
    local message = headers[index]
    local text = redis.call('GET', head .. ':draft:' .. message) or ''
    found[#found + 1] = { message, headers[index + 1], text, redis.call('HGET', spoken, message) or '0' }
  end
  return found
end
