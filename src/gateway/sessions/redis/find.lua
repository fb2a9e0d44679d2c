local s = session(ARGV[1], generation(ARGV[1]))
if redis.call('EXISTS', s) == 0 then return {} end
return { describe(s) }
