-- transient: tell those who follow now; nothing is kept.
-- KEYS  1 live
-- ARGV  1 kind  2 body
-- Reply 1
-- include: append

replid()
publish(KEYS[1], ARGV[1], ARGV[2])
return 1
