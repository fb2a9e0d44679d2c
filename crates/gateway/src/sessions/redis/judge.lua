local now, stale, since = ARGV[1], tonumber(ARGV[2]), {}
for at = 3, #ARGV do
  if at - 2 <= stale then
    local before = call('HGET', P .. 'stale', ARGV[at])
    if not number(before) then
      before = now
      redis.call('HSET', P .. 'stale', ARGV[at], now)
      redis.call('PEXPIRE', P .. 'stale', LIFE + 2 * SLACK)
    end
    since[at - 2] = before
  else
    call('HDEL', P .. 'stale', ARGV[at])
  end
end
return since
