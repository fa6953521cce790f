-- owner: whether the caller owns the conversation. A chunk, included by every script that writes what a graph knows. Those
-- scripts pass
--   KEYS[1] lease (hash)   ARGV[1] fencing token   ARGV[2] attempt id of the lease
-- The lease key is made from what is written, not from the caller's lease, so a lease of another conversation does not pass.
-- Token AND attempt id are compared, for the reasons that fence.lua gives.
--
-- is_owner()      whether the caller is the conversation's owner
-- lease_lost()    the refusal

local function is_owner()
  local held = redis.call('HMGET', KEYS[1], 'token', 'attempt')
  return held[1] == ARGV[1] and held[2] == ARGV[2]
end

local function lease_lost()
  return { 'lease_lost', 'another worker owns this conversation' }
end
