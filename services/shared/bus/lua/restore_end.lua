-- restore_end: loaded data are fit for services: another life of Redis begins, which every process learns.
-- KEYS  1 the restore under way  2 birth of the house
-- ARGV  1 id of the restore
-- Reply the id, and one write. A repeat changes nothing.
-- include: append

replid()
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return ARGV[1]
