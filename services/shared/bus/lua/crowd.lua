-- crowd: joins and leaves, as long as few are present; above that, that numbers changed. A chunk of local functions.
--
-- tell(kind, info, present, live, crowds, conversation, large, coalesce_ms)   present: users announced, with the one who comes or goes

local function tell(kind, info, present, live, crowds, conversation, large, coalesce_ms)
  if present <= tonumber(large) then return publish(live, kind, info) end
  redis.call('ZADD', crowds, 'NX', integer(now_ms() + tonumber(coalesce_ms)), conversation)
end
