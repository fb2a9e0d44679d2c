local suspended = obj.spec.suspend == true
local deleted = obj.metadata.deletionTimestamp ~= nil
-- Sessions are known where a gateway reports them.
local sessions = obj.status ~= nil and obj.status.sessions ~= nil and (obj.status.sessions.tracked or 0) > 0

local actions = {}
-- A deletion that is stuck is tried again, too.
actions["retry"] = {["disabled"] = suspended and not deleted, ["displayName"] = "Try again now", ["iconClass"] = "fa fa-fw fa-redo"}
actions["resolve"] = {["disabled"] = suspended or deleted, ["displayName"] = "Look up image or code now", ["iconClass"] = "fa fa-fw fa-search"}
actions["drain"] = {["disabled"] = suspended or deleted or not sessions, ["displayName"] = "End the sessions that run now", ["iconClass"] = "fa fa-fw fa-sign-out-alt"}
return actions
