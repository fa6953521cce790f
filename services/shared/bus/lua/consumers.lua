-- consumers: strike consumers off a group that hold nothing and are gone; what one still holds goes to others first.
-- KEYS  1 stream
-- ARGV  1 group  2 name of the one consumer meant, or '' for all  3 idle for at least so many ms
-- Reply how many were struck off. One that is struck off and reads again is listed again.

local listed = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if listed.err then return 0 end
local struck = 0
for _, fields in ipairs(listed) do
  local of = {}
  for index = 1, #fields, 2 do of[fields[index]] = fields[index + 1] end
  local meant = ARGV[2] == '' or of.name == ARGV[2]
  if meant and of.pending == 0 and of.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of.name)
    struck = struck + 1
  end
end
return struck
