-- remember: one document of long-term memory, new or in place of the one before it.
-- KEYS  1 document  2 counter of documents ever made
-- ARGV  1 namespace, a JSON array  2 key  3 value, JSON  4 digests of the namespace and of all above it, comma list  5 now, ms
-- Reply 1. Writes each time; a repeat leaves the same document. The age and the place in the order stay the first one's.

if redis.call('HSETNX', KEYS[1], 'created_ms', ARGV[5]) == 1 then
  redis.call('HSET', KEYS[1], 'order', redis.call('INCR', KEYS[2]))
end
redis.call('HSET', KEYS[1], 'format', 1, 'namespace', ARGV[1], 'key', ARGV[2], 'value', ARGV[3], 'above', ARGV[4],
  'updated_ms', ARGV[5])
return 1
