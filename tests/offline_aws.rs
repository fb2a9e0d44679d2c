//! The real AWS SDK, through `agentcore_aws`, against the simulator in the same process.

mod offline;
