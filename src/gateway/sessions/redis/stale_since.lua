local since = {}
for at, group in ipairs(ARGV) do since[at] = redis.call('HGET', P .. 'stale', group) end
return since
