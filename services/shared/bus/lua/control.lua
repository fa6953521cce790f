-- control: tell every process what must stop.
-- KEYS  1 control stream
-- ARGV  1 entries it keeps, about  2 kind  3 conversation id  4 user  5 turn id  6.. further fields and values
-- Reply the entry's id. A repeat is one more entry: acting on one twice is harmless.

return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'kind', ARGV[2], 'conversation', ARGV[3], 'user', ARGV[4],
  'turn', ARGV[5], unpack(ARGV, 6))
