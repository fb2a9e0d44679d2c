local s = session(ARGV[1], ARGV[2])
delist(s, ARGV[1] .. ':' .. ARGV[2])
redis.call('DEL', s)
return 1
