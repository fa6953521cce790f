-- condemn: declare a node dead, unless it beat since it was judged. From here on a beat tells it that its seats are gone.
-- KEYS  1 nodes
-- ARGV  1 node id  2 the beat it was judged by
-- Reply 1 when the node is condemned (also by somebody else), 0 when it beat again or is struck off.

local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if beat == '0' then return 1 end
if beat ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
