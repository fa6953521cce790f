-- kept: a message that was said, for what its author or others do with it later. A chunk of local functions, included behind
-- `append`, `may` and `member` by scripts whose KEYS[4] is the members hash, KEYS[5] the message, KEYS[6] what it said before;
-- ARGV[3] is the conversation, ARGV[4] the user, ARGV[5] the message.
--
-- local refusal, kept, role = kept_for(allowed, others)   kept {user, agent, text, deleted}; refusal: not_member, refused, bad. others:
--                                        the row of who may what somebody else said; nil: nobody may
-- remember_text(text, most)              what it said until now is a version, of which the newest `most` stay

local function kept_for(allowed, others)
  local unable, role = may(KEYS[4], ARGV[4], ARGV[3], allowed)
  if unable then return unable end
  local fields = redis.call('HMGET', KEYS[5], 'user', 'agent', 'text', 'deleted', 'seq')
  if not fields[5] then return { 'bad', 'id: there is no message ' .. ARGV[5] .. ' in ' .. ARGV[3] } end
  local kept = { user = fields[1], agent = fields[2], text = fields[3], deleted = fields[4] }
  if kept.user == ARGV[4] then return nil, kept, role end
  if not others then return { 'refused', 'message ' .. ARGV[5] .. ' was said by somebody else' } end
  if not role_may(role, others) then return { 'refused', may_not(role, others) .. ': somebody else said it' } end
  return nil, kept, role
end

local function remember_text(text, most)
  redis.call('RPUSH', KEYS[6], integer(now_ms()) .. ' ' .. text)
  redis.call('LTRIM', KEYS[6], -most, -1)
end
