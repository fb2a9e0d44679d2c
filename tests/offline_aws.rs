//! The real AWS SDK, through `agentcore_operator::aws`, against the simulator in the same process.

mod offline;
