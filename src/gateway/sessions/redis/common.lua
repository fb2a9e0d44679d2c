-- What all scripts share. A script runs alone: nothing happens between its lines.
--   c:ID        generation of a conversation
--   s:ID:G      a session; its fields f:REPLICA:TICKET are requests in flight
--   r:REPLICA   lives as long as the replica does
--   g:GROUP     sessions of an object by version of birth, scored by when AgentCore ends them at the latest; q:GROUP: those retired
--   o:OWNER     conversations of a caller at an object
--   groups, stale, stopped
-- The braces put all keys into one slot.
local P = '{agentcore}:'
local SLACK = 7200000 -- what is remembered of a conversation beyond the life of its session, ms
local REQUEST = 4500000 -- longest time that a request is in flight, ms: an hour of stream after a quarter until its first byte

local function session(id, g) return P .. 's:' .. id .. ':' .. g end
local function generation(id) return tonumber(redis.call('GET', P .. 'c:' .. id) or '0') end
local function keep(key, life) redis.call('PEXPIRE', key, life + SLACK) end

-- Requests in flight, without those of replicas that are gone.
local function flight(s)
  local count, alive = 0, {}
  for _, field in ipairs(redis.call('HKEYS', s)) do
    local replica = string.match(field, '^f:([^:]+):')
    if replica then
      if alive[replica] == nil then alive[replica] = redis.call('EXISTS', P .. 'r:' .. replica) end
      count = count + alive[replica]
    end
  end
  return count
end

local function group_of(s)
  local v = redis.call('HMGET', s, 'k', 'n', 'a', 'v')
  return v[1] and (v[1] .. '/' .. v[2] .. '/' .. v[3] .. '/' .. v[4])
end

-- Whether AgentCore has ended a session.
local function over(s, in_flight, now)
  if in_flight > 0 then return false end
  local v = redis.call('HMGET', s, 't0', 't1', 'i', 'm', 'busy')
  if now - tonumber(v[1]) >= tonumber(v[4]) then return true end
  return v[5] ~= '1' and now - tonumber(v[2]) >= tonumber(v[3])
end

local function enlist(s, member, in_flight, now)
  local v = redis.call('HMGET', s, 't0', 't1', 'i', 'm', 'busy', 'retired')
  local ends = tonumber(v[1]) + tonumber(v[4])
  if in_flight > 0 then
    ends = math.max(ends, now + REQUEST)
  elseif v[5] ~= '1' then
    ends = math.min(ends, tonumber(v[2]) + tonumber(v[3]))
  end
  local group = group_of(s)
  redis.call('ZADD', P .. (v[6] == '1' and 'q:' or 'g:') .. group, ends, member)
  redis.call('SADD', P .. 'groups', group)
end

local function delist(s, member)
  local group = group_of(s)
  if group then
    redis.call('ZREM', P .. 'g:' .. group, member)
    redis.call('ZREM', P .. 'q:' .. group, member)
  end
end

-- The conversation goes on in another session, from its next request.
local function succeed(id, g, now)
  local s, next = session(id, g), session(id, g + 1)
  local v = redis.call('HMGET', s, 'su', 'k', 'n', 'a', 'c', 'q', 'v', 'i', 'm', 't0')
  redis.call('DEL', next)
  redis.call('HSET', next, 'su', v[1], 'k', v[2], 'n', v[3], 'a', v[4], 'c', v[5], 'q', v[6], 'v', v[7], 'i', v[8], 'm', v[9],
    't0', v[10], 't1', now, 'g', g + 1, 'used', 0, 'reached', 0, 'busy', 0, 'retired', 0)
  redis.call('SET', P .. 'c:' .. id, g + 1)
  keep(next, tonumber(v[9]))
  keep(P .. 'c:' .. id, tonumber(v[9]))
end

local function retire(id, g, now)
  local s, member = session(id, g), id .. ':' .. g
  delist(s, member)
  redis.call('HSET', s, 'retired', 1)
  enlist(s, member, flight(s), now)
  succeed(id, g, now)
end

-- A session as the client reads it.
local function describe(s)
  local v = redis.call('HMGET', s, 'su', 'k', 'n', 'a', 'c', 'g', 'q', 'v', 'i', 'm', 't0', 't1', 'busy', 'retired')
  v[15] = tostring(flight(s))
  return v
end
