local x = load(session(ARGV[1], ARGV[2]))
if x then
  delist(x, ARGV[1] .. ':' .. ARGV[2])
  redis.call('UNLINK', x.key)
end
return 1
