//! `kubectl agentcore`: look at agents, talk to them and act on them from a terminal.

fn main() {}
