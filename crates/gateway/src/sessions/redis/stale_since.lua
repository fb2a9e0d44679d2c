local since = {}
for at, group in ipairs(ARGV) do
  local found = call('HGET', P .. 'stale', group)
  since[at] = number(found) and found or '0'
end
return since
