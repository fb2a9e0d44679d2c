//! The documentation: what it promises, and what it tells people to run.
