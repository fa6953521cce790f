-- read: one atomic look at a journal and at what is unfinished in it.
-- KEYS  1 head  2 journal; of a conversation also  3 members  4 open  5 spoken  6 sessions of the user, if they are asked for
-- ARGV  1 offset after which entries are wanted  2 1 with deltas, 0 without  3 user whose role is asked, or ''
--       4 TTL of a user journal's head in seconds; 0 for a conversation  5 at most so many entries, -1 for all
--       6 at most so many bytes of bodies, -1 for all; one entry always fits  7 1: newest first, those before the offset
-- Reply {1 if it exists, top, low, forks, replid, role or nil, entries {{id, kind, body, its format if it says one}},
--   open {{message, header, text, units}}, low_delta, 1 if these are all entries that are wanted, 0 if a bound cut them off,
--   sessions or nil, what is asked {JSON}, settings {agents, answers, double_texting} of a conversation,
--   of a member also {number read up to, how many are unread}}
-- A user journal's head is made by its first read; the head of a conversation never is.
-- include: append
-- include: receipt
-- include: may

local master = replid()
local ttl_s = tonumber(ARGV[4])
if ttl_s > 0 and redis.call('HEXISTS', KEYS[1], 'born') == 0 then
  birth(KEYS[1])
  redis.call('EXPIRE', KEYS[1], ttl_s)
end
if redis.call('HEXISTS', KEYS[1], 'born') == 0 then return { 0, 0, 0, '', master, false, {}, {}, 0, 1, false, {}, false, false } end

local top, low, forks, low_delta = head_of(KEYS[1], KEYS[2])
local entries, open, asked, role, read = {}, {}, {}, false, false

local most, bytes, size = tonumber(ARGV[5]), tonumber(ARGV[6]), 0
local command, last = 'XRANGE', '+'
if ARGV[7] == '1' then command, last = 'XREVRANGE', '-' end

-- What this release writes says none. Fields that are not known stand behind those that are.
local function format_of(fields)
  for index = 5, #fields, 2 do
    if fields[index] == 'f' then return fields[index + 1] end
  end
end

-- Take an entry; false when it is beyond a bound.
local function take(id, kind, body, format)
  if kind == 'd' and ARGV[2] ~= '1' then return true end
  size = size + #body
  if #entries == most or (bytes >= 0 and size > bytes and #entries > 0) then return false end
  entries[#entries + 1] = { id, kind, body, format }
  return true
end

-- In parts: a bound is met long before the end of a long journal.
local function take_all(from)
  while true do
    local part = redis.call(command, KEYS[2], from, last, 'COUNT', 200)
    for _, entry in ipairs(part) do
      if not take(entry[1], entry[2][2], entry[2][4], format_of(entry[2])) then return 0 end
    end
    if #part < 200 then return 1 end
    from = '(' .. part[#part][1]
  end
end

-- Nothing stands before the first offset, and an interval that ends below 0 is none to Redis.
local nothing = ARGV[7] == '1' and ARGV[1] == '0'
local whole = nothing and 1 or take_all('(' .. ARGV[1] .. '-0')
if KEYS[3] then
  role = role_of(KEYS[3], ARGV[3])
  open = unfinished(KEYS[1], KEYS[4], KEYS[5])
  asked = redis.call('HVALS', KEYS[1] .. ':asked')
end
if role and not is_service(ARGV[3]) then
  local seq = read_up_to(KEYS[1], ARGV[3])
  read = { integer(seq), unread_above(KEYS[1], seq) }
end
return { 1, integer(top), integer(low), forks, master, role, entries, open, integer(low_delta), whole,
  KEYS[6] and redis.call('GET', KEYS[6]) or false, asked,
  KEYS[3] and redis.call('HMGET', KEYS[1], 'agents', 'answers', 'double_texting') or false, read }
