-- One text for all kinds of agentcore.dev. A failure that the manifest caused is Degraded. One that a push caused is not: the version
-- before goes on serving, and later syncs must not fail for it. Suspended objects are Healthy, for Suspended would hold up sync waves.
local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end
local ready = conditions["Ready"]

local function verdict(status, message)
  return {status = status, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  if ready ~= nil and ready.status ~= "True" then
    return verdict("Progressing", "Being deleted: " .. ready.message)
  end
  return verdict("Progressing", "Being deleted")
end

if obj.status == nil or ready == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return verdict("Progressing", "Waiting for agentcore-operator to look at this generation")
end

local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return verdict("Degraded", stalled.message)
end

if ready.status == "True" or ready.reason == "Suspended" then
  local message = ready.message
  -- What does not touch Ready is told all the same.
  for _, name in ipairs({"ImageResolved", "SessionsCurrent"}) do
    local condition = conditions[name]
    if condition ~= nil and condition.status == "False" then
      message = message .. "; " .. name .. " is False: " .. condition.message
    end
  end
  return verdict("Healthy", message)
end

return verdict("Progressing", ready.message)
