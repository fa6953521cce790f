-- relay_user: apply a change of membership or invitation to the user's own partition.
-- KEYS  1 head  2 journal  3 live  4 conversations  5 that the user is in this conversation no more  6 invitations  7 marks
-- ARGV  1 length  2 TTL  3 conversation id  4 members_version of the change  5 joined, invited or left  6 event for #user
-- Reply 1 applied, 0 older than what is known (a repeat, or overtaken by a later change): nothing but one write.
-- An end is known for the TTL of the user's journal: an older change that is carried later than that would be taken for new.
-- include: append

local conversation, version, now = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local listed, invited = redis.call('HGET', KEYS[4], conversation), redis.call('HGET', KEYS[6], conversation)
local ended = redis.call('GET', KEYS[5])

local function known()
  return math.max(tonumber(listed or 0), tonumber(invited or 0), tonumber(ended or 0))
end

local function write_again()
  if listed then
    redis.call('HSET', KEYS[4], conversation, listed)
  elseif invited then
    redis.call('HSET', KEYS[6], conversation, invited)
  else
    redis.call('EXPIRE', KEYS[5], ARGV[2])
  end
end

if version <= known() then
  write_again()
  return 0
end
for _, key in ipairs({ KEYS[4], KEYS[6] }) do redis.call('HDEL', key, conversation) end
if now ~= 'joined' then redis.call('HDEL', KEYS[7], conversation) end
if now == 'left' then
  redis.call('SET', KEYS[5], integer(version), 'EX', ARGV[2])
else
  redis.call('HSET', now == 'joined' and KEYS[4] or KEYS[6], conversation, integer(version))
  redis.call('DEL', KEYS[5])
end
local at = here()
at.head_ttl_s = at.ttl_s
append(at, 'e', ARGV[6])
return 1
