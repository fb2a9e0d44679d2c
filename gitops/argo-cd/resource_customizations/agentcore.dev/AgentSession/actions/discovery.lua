local suspended = obj.spec.suspend == true
local deleted = obj.metadata.deletionTimestamp ~= nil
local serves = obj.status ~= nil and obj.status.sessionId ~= nil

local actions = {}
-- A deletion that is stuck is tried again, too.
actions["retry"] = {["disabled"] = suspended and not deleted, ["displayName"] = "Try again now", ["iconClass"] = "fa fa-fw fa-redo"}
actions["drain"] = {["disabled"] = suspended or deleted or not serves, ["displayName"] = "End the session that runs now", ["iconClass"] = "fa fa-fw fa-sign-out-alt"}
return actions
