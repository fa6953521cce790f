-- may: whether somebody may do something in a conversation. A chunk of local functions; `allowed` is a row of the one table
-- (model/permissions.py), as an argument: ",<role>,<role>, <operation>".
--
-- local refusal, role = may(members, actor, conversation, allowed)  refusal: not_member for a stranger, refused for a role that
--                                                                   may not, nil for one that may; role: false for a stranger
-- is_service(actor)                                                 whether it is a back end that acts as itself
-- role_of(members, actor)                                           its role; false for a stranger, or where there is no conversation
-- no_member(actor, conversation)                                   the refusal of a stranger
-- role_may(role, allowed)                                           whether that role may
-- may_not(role, allowed)                                            the sentence for one that may not
--
-- A service is a member of nothing: it has its role from its name, wherever there is a conversation, and nothing is kept of it
-- beside members. What would be (how far it has read, say) asks is_service.

local SERVICE = 'service:' -- as model/ids.py has it

local function is_service(actor)
  return string.sub(actor, 1, #SERVICE) == SERVICE
end

-- One that is being deleted has a head still, and others write to it; it is none to who asks.
local function role_of(members, actor)
  if not is_service(actor) then return redis.call('HGET', members, actor) end
  local head = string.match(members, '^(.*):members$')
  local there = redis.call('HMGET', head, 'created_by', 'deletion')
  return there[1] and not there[2] and 'service'
end

local function role_may(role, allowed)
  return string.find(string.match(allowed, '^%S+'), ',' .. role .. ',', 1, true) ~= nil
end

local function may_not(role, allowed)
  return 'the role ' .. role .. ' may not do ' .. string.match(allowed, ' (.*)$')
end

local function no_member(actor, conversation)
  if is_service(actor) then return { 'not_member', 'there is no ' .. conversation } end
  return { 'not_member', actor .. ' is not a member of ' .. conversation }
end

local function may(members, actor, conversation, allowed)
  local role = role_of(members, actor)
  if not role then return no_member(actor, conversation), role end
  if role_may(role, allowed) then return nil, role end
  return { 'refused', may_not(role, allowed) }, role
end
