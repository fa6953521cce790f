-- checkpoints: turns of an agent that a conversation can go back to before, newest first.
-- KEYS  1 head  2 journal  3 members  4 order
-- ARGV  1 user  2 agent  3 how many at most  4 conversation  5 who may (see may.lua)
-- Reply {'ok', replid, {{turn, message, when it began in ms}, ...}}; not_member, refused.
-- include: append
-- include: may
-- include: ledger
-- include: reach

local at, master = { head = KEYS[1] }, replid()
local unable = may(KEYS[3], ARGV[1], ARGV[4], ARGV[5])
if unable then return unable end
local reach, found = reach_of(at, KEYS[4]), {}
local begun = begun_turns(at)
for index = #begun, 1, -1 do
  local one = begun[index]
  local wanted = one.agent == ARGV[2] and one.kind == 'f' and reach and one.high >= reach
  if wanted and #found < tonumber(ARGV[3]) and redis.call('ZSCORE', KEYS[4], one.message) then
    found[#found + 1] = { one.turn, one.message, one.time }
  end
end
return { 'ok', master, found }
