-- revoked: which tokens are revoked.
-- KEYS  1 revoked tokens  2 revoked users
-- ARGV  user, token id ('' if it has none), issued at in ms (0 if that is not known); of each token
-- Reply a list of 1 and 0, in their order. Writes nothing.

local found = {}
for at = 1, #ARGV, 3 do
  local revoked = ARGV[at + 1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[at + 1])
  if not revoked then
    local before = redis.call('ZSCORE', KEYS[2], ARGV[at])
    revoked = before and tonumber(ARGV[at + 2]) < tonumber(before)
  end
  found[#found + 1] = revoked and 1 or 0
end
return found
