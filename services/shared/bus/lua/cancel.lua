-- cancel: stop turns, whether or not a worker lives.
-- KEYS  1 head  2 journal  3 live  4 members  5 fifo  6 outbox
-- ARGV  1 length  2 TTL  3 conversation id  4 user who asks  5 turn id, or '' for all that wait or run
--       6 who may (see may.lua)  7 and the last key: see audit.lua
-- Reply {how many questions are withdrawn, ids of the turns that are stopped or stopping}; not_member, refused. Asked for all, it withdraws
-- what agents wait for, too. A queued turn gets its final at once; a running one is marked and
-- its owner told (outbox kind turn.cancel): the owner, or the next one, ends it. A repeat names the same turns, if asked by id;
-- asked for all, it names those that still wait or run: what it cancelled before has its turn.finished in the journal, so a
-- client that misses a name in the reply (the call ran again after a failover) misses nothing.
-- include: append
-- include: may
-- include: outbox
-- include: speech
-- include: asking
-- include: stop
-- include: audit

local unable = may(KEYS[4], ARGV[4], ARGV[3], ARGV[6])
if unable then return unable end
local at, stopped, withdrawn = here(), {}, 0
-- one write in every case: WAIT behind a script that wrote nothing confirms nothing
redis.call('HSET', KEYS[1], 'cancel_ms', integer(now_ms()))

-- What brings a thread back is nobody's to stop: the log is back already.
local function stop(turn)
  local record = at.head .. ':turn:' .. turn
  if redis.call('HEXISTS', record, 'rewinds') == 1 then return end
  local state = redis.call('HGET', record, 'state')
  if state == 'queued' then
    finish_turn(at, ARGV[3], turn, 'cancelled', '', '')
    audit('cancelled', ARGV[4], ARGV[3], turn)
  elseif state == 'running' or state == 'cancelling' then
    if state == 'running' then audit('cancelled', ARGV[4], ARGV[3], turn) end
    stop_running(at, ARGV[3], turn, 'cancel', ARGV[4], KEYS[6])
  elseif redis.call('HGET', record, 'outcome') ~= 'cancelled' then
    return
  end
  stopped[#stopped + 1] = turn
end

if ARGV[5] ~= '' then
  stop(ARGV[5])
else
  for _, turn in ipairs(redis.call('LRANGE', KEYS[5], 0, -1)) do stop(turn) end
  withdrawn = withdraw(at, ARGV[3], '', ARGV[4])
end
return { withdrawn, stopped }
