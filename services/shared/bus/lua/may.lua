-- may: whether a user may do something in a conversation. A chunk of local functions; `allowed` is a row of the one table
-- (model/permissions.py), as an argument: ",<role>,<role>, <operation>".
--
-- local refusal, role = may(members, user, conversation, allowed)   refusal: not_member for a stranger, refused for a role that
--                                                                   may not, nil for one that may; role: nil for a stranger
-- role_may(role, allowed)                                           whether that role may
-- may_not(role, allowed)                                            the sentence for one that may not

local function role_may(role, allowed)
  return string.find(string.match(allowed, '^%S+'), ',' .. role .. ',', 1, true) ~= nil
end

local function may_not(role, allowed)
  return 'the role ' .. role .. ' may not do ' .. string.match(allowed, ' (.*)$')
end

local function may(members, user, conversation, allowed)
  local role = redis.call('HGET', members, user)
  if not role then return { 'not_member', user .. ' is not a member of ' .. conversation } end
  if role_may(role, allowed) then return nil, role end
  return { 'refused', may_not(role, allowed) }, role
end
