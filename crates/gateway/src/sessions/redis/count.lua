local now, after, most, found = ARGV[1], ARGV[2], ARGV[3], {}
local entries = call('ZRANGEBYLEX', P .. 'groups', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
for _, entry in ipairs(entries) do
  local kind, name = string.match(entry, '^([gp])/(%w+/[^/]+/[^/]+/[^/]*)$')
  local gone = true
  if kind == 'g' then
    local counts = {}
    for at, list in ipairs({ 'g:', 'q:' }) do
      local key = P .. list .. name
      for _, over in ipairs(call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, 10 * STEPS)) do redis.call('ZREM', key, over) end
      counts[at] = redis.call('ZCOUNT', key, now, '+inf')
    end
    gone = counts[1] + counts[2] == 0
    if gone then call('HDEL', P .. 'stale', name) else found[#found + 1] = { name, counts[1], counts[2] } end
  elseif kind == 'p' then
    local version = string.match(call('GET', P .. 'x:' .. name) or '', '^(%S*) %d+$')
    gone = not version
    if version then found[#found + 1] = { name .. version, 0, 0 } end
  else
    odd = odd + 1
  end
  if gone then redis.call('ZREM', P .. 'groups', entry) end
end
return { #entries, entries[#entries] or '', found }
