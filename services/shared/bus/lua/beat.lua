-- beat: a node lives, and what it holds.
-- KEYS  1 nodes  2 census of the node
-- ARGV  1 node id  2 TTL of the census in ms  3 mark of the last beat whose reply the node has seen, '' for none  4.. field, value, ...
-- Reply {listed, mark of this beat}; listed is 1 when the node was on the list all the time since the beat it names; 0 when it was
-- not, or was condemned: it is new, or its seats were (or are being) freed and must be entered again.
-- A beat whose reply is lost is repeated, and finds the node listed by its first run, as does one that comes after a seat taken since
-- the node was struck off. So being listed says nothing: the mark must be one that the node knows, or of a beat that was answered 1
-- after that one, which the census remembers as `after` (it goes when the node is struck off).
-- include: append

local known, mark = ARGV[3], integer(now_ms())
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
local listed = before and before ~= '0' and (before == known or redis.call('HGET', KEYS[2], 'after') == known)
redis.call('ZADD', KEYS[1], mark, ARGV[1])
redis.call('DEL', KEYS[2])
if #ARGV > 3 then redis.call('HSET', KEYS[2], unpack(ARGV, 4)) end
if listed then redis.call('HSET', KEYS[2], 'after', known) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return { listed and 1 or 0, mark }
