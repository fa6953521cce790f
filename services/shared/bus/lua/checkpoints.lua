-- checkpoints: turns of an agent that a conversation can go back to before, newest first.
-- KEYS  1 head  2 journal  3 members  4 order
-- ARGV  1 user  2 agent  3 how many at most
-- Reply {'ok', replid, {{turn, message, when it began in ms}, ...}}; not_member.
-- include: append
-- include: ledger
-- include: reach

local at, master = { head = KEYS[1] }, replid()
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then return { 'not_member', ARGV[1] .. ' is not a member' } end
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
