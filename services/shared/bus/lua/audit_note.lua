-- audit_note: entries of the audit log about what has no script: somebody connected, or was denied.
-- KEYS  1 a stream of the audit log
-- ARGV  1 entries it keeps, about  2.. action, actor, conversation, target, connection, trace, code, times, note; of each entry
-- Reply how many. A repeat adds them once more, with the same notes: by these who reads knows them.

local entries = 0
for at = 2, #ARGV, 9 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'action', ARGV[at], 'actor', ARGV[at + 1], 'conversation', ARGV[at + 2],
    'target', ARGV[at + 3], 'connection', ARGV[at + 4], 'trace', ARGV[at + 5], 'code', ARGV[at + 6], 'times', ARGV[at + 7],
    'note', ARGV[at + 8])
  entries = entries + 1
end
return entries
