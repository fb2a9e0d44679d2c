//! The policies below docs/iam/ against what the programs call.
