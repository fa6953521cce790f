-- audit: how a deed gets its entry in the audit log, in the same step. A chunk of local functions, included by scripts that do
-- what is audited. They pass, behind all else,
--   KEYS[#KEYS] the partition's audit stream   ARGV[#ARGV] "<entries kept, about> <connection> <trace>", '-' for what is not known;
--   or no such key and '' where no log is kept
--
-- audit(action, actor, conversation, target, trace)   trace: instead of the caller's, nil if there is none

local function audit(action, actor, conversation, target, trace)
  local kept, connection, callers = string.match(ARGV[#ARGV], '^(%d+) (%S+) (%S+)$')
  if not kept then return end
  -- The same fields in the same order: Redis keeps their names once for all entries then.
  redis.call('XADD', KEYS[#KEYS], 'MAXLEN', '~', kept, '*', 'action', action, 'actor', actor, 'conversation', conversation,
    'target', target, 'connection', connection, 'trace', trace or callers)
end
