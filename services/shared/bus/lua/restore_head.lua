-- restore_head: a journal that was loaded begins another epoch; a conversation belongs to nobody, and what waits in it is told again.
-- KEYS  1 head  2 journal; of a conversation also  3 lease  4 fifo  5 ready  6 running
-- ARGV  1 id of the restore  2 conversation id  3 floor of the lease tokens
-- Reply 1, and one write; 0 when the journal is gone. A repeat changes nothing but `ready`, which whoever repeats has emptied before;
-- under another id it adds an epoch that begins at the same offset, and in which nothing was written.
-- Whatever master the data come from or are loaded into, and whatever it goes on writing: a position beyond the end of what was
-- loaded is of an epoch that ended there.
-- include: append

local head, journal = KEYS[1], KEYS[2]

local function begin_epoch(born)
  if born == ARGV[1] then return end
  local top, low, forks = head_of(head, journal)
  redis.call('HSET', head, 'forks', forks_with(forks, epoch_of(ARGV[1]), top + 1, low))
end

-- As if its worker had ended in order: the attempt is none of those that killed theirs.
local function free(lease, fifo, running)
  local turn = redis.call('LINDEX', fifo, 0)
  if turn and redis.call('HGET', lease, 'begun') == turn then
    local record = head .. ':turn:' .. turn
    redis.call('HINCRBY', record, 'handed_over', 1)
    redis.call('HSET', record, 'handed', redis.call('HGET', record, 'attempt') or '')
  end
  redis.call('DEL', lease)
  redis.call('ZREM', running, ARGV[2])
  if tonumber(redis.call('HGET', head, 'lease_token') or 0) < tonumber(ARGV[3]) then
    redis.call('HSET', head, 'lease_token', ARGV[3])
  end
end

replid()
local born = redis.call('HGET', head, 'born')
if not born then return 0 end
begin_epoch(born)
redis.call('HSET', head, 'born', ARGV[1])
if KEYS[3] then
  free(KEYS[3], KEYS[4], KEYS[6])
  if redis.call('LLEN', KEYS[4]) > 0 then redis.call('XADD', KEYS[5], '*', 'c', ARGV[2]) end
end
return 1
