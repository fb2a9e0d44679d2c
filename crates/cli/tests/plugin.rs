//! `kubectl-agentcore` as people run it: the program itself, offline and against a real API server.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

#[path = "plugin/agreement.rs"]
mod agreement;
#[path = "plugin/cluster.rs"]
mod cluster;
#[path = "plugin/documentation.rs"]
mod documentation;
#[path = "plugin/lint.rs"]
mod lint;
#[path = "plugin/objects.rs"]
mod objects;
#[path = "plugin/render.rs"]
mod render;
#[path = "plugin/run.rs"]
mod run;

// The tables that the API server's own verdicts are tested with: lint has to agree with every one of them.
#[path = "../../../tests/fixtures/admission/authorizer.rs"]
mod authorizer;
#[path = "../../../tests/fixtures/admission/endpoint.rs"]
mod endpoint;
#[path = "../../../tests/fixtures/admission/rolls.rs"]
mod rolls;
#[path = "../../../tests/fixtures/admission/runtime.rs"]
mod runtime;
#[path = "../../../tests/fixtures/admission/session.rs"]
mod session;
#[path = "../../../tests/fixtures/admission/surroundings.rs"]
mod surroundings;
#[path = "../../../tests/fixtures/admission/table.rs"]
#[allow(dead_code)] // judges the API server's answers too
mod table;
