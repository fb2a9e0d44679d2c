//! What is done in each state of an AgentSession, and what is said of it.

use agentcore_api::conditions::STALLED;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::session::SessionPhase;
use agentcore_plan::conditions::find;
use agentcore_plan::fault::Class;
use agentcore_plan::step::Rest;
use serde_json::json;

use crate::world::{Agent, Crash, World};

fn ready() -> World {
    let mut world = World::new();
    world.run(1);
    assert_eq!(world.reason(), reasons::READY, "{}", world.tail());
    world.calls.clear();
    world.events.clear();
    world
}

fn has_event(world: &World, reason: &str) -> bool {
    world.events.iter().any(|event| event.reason == reason)
}

#[test]
fn one_manifest_begins_one_session_whose_id_was_in_status_before() {
    let mut world = World::new();
    world.crash = Some(Crash::AfterCall);
    world.pass();
    world.crash = Some(Crash::BeforeCall);
    world.pass();
    let planned = world
        .status()
        .next
        .expect("a session that was not called yet");
    assert!(world.calls.is_empty() && planned.session_id.len() == 64);
    world.run(1);
    let status = world.status();
    assert_eq!(status.session_id, Some(planned.session_id));
    assert_eq!(status.version.as_deref(), Some("1"));
    assert_eq!(status.qualifier.as_deref(), Some("live"));
    assert_eq!(status.phase, Some(SessionPhase::Active));
    assert_eq!(status.last_answer, Some(200));
    assert!(world.is_ready() && has_event(&world, reasons::SESSION_STARTED));
    assert_eq!(world.count("Invoke"), 1);
}

#[test]
fn it_is_kept_alive_under_one_id() {
    let mut world = ready();
    let id = world.status().session_id.unwrap();
    world.run(3_600);
    assert_eq!(world.count("Invoke"), 12, "{}", world.tail());
    assert!(
        world
            .calls
            .iter()
            .all(|(name, of)| *name == "Invoke" && *of == id)
    );
    assert!(world.is_ready());
}

#[test]
fn a_session_whose_process_died_begins_again_with_the_next_keepalive() {
    let mut world = ready();
    world.vms.clear();
    world.run(300);
    assert_eq!(world.vms.len(), 1);
    assert_eq!(Some(&world.vms[0].id), world.status().session_id.as_ref());
}

#[test]
fn on_a_roll_the_new_one_answers_and_then_the_old_one_is_stopped() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.roll(2);
    world.pass();
    assert!(world.is_ready());
    world.run(5);
    let new = world.status().session_id.unwrap();
    assert_ne!(old, new);
    assert_eq!(world.calls, [("Invoke", new), ("Stop", old)]);
    assert_eq!(world.status().version.as_deref(), Some("2"));
    assert!(
        has_event(&world, reasons::SESSION_REPLACED) && has_event(&world, reasons::SESSION_STOPPED)
    );
}

#[test]
fn a_new_one_that_does_not_answer_leaves_the_old_one_serving_and_kept_alive() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.broken.insert("2".into());
    world.roll(2);
    world.run(7_200);
    let status = world.status();
    assert_eq!(status.session_id.as_ref(), Some(&old));
    assert_eq!(world.reason(), reasons::REPLACEMENT_FAILED);
    assert!(world.is_ready(), "{}", world.tail());
    assert_eq!(status.phase, Some(SessionPhase::Replacing));
    let kept = world
        .calls
        .iter()
        .filter(|(name, id)| *name == "Invoke" && *id == old);
    assert!(kept.count() >= 23, "{}", world.tail());
    assert!(world.count("Invoke") < 60, "in no hot loop");
    world.broken.clear();
    world.run(600);
    assert_eq!(world.reason(), reasons::READY, "{}", world.tail());
    assert_eq!(world.vms.len(), 1);
}

#[test]
fn a_roll_back_before_the_new_one_has_answered_keeps_the_old_one() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.broken.insert("2".into());
    world.roll(2);
    world.run(10);
    assert_eq!(world.vms.len(), 2);
    world.roll(1);
    world.run(10);
    assert_eq!(world.status().session_id, Some(old));
    assert_eq!(
        (world.vms.len(), world.reason().as_str()),
        (1, reasons::READY)
    );
}

#[test]
fn a_roll_back_after_a_keepalive_replaces_what_may_run_the_other_version() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.broken.insert("2".into());
    world.roll(2);
    world.run(400);
    assert_eq!(world.status().version_unsure, Some(true));
    world.roll(1);
    world.run(10);
    let status = world.status();
    assert!(status.session_id != Some(old) && status.version_unsure.is_none());
    assert_eq!(
        (world.vms.len(), world.reason().as_str()),
        (1, reasons::READY)
    );
}

#[test]
fn one_that_stopped_answering_is_replaced_after_five_failures() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.agent = Agent::Fails;
    world.run(301);
    assert_eq!(world.reason(), reasons::AGENT_FAILED);
    assert!(!world.is_ready());
    assert_eq!(world.status().phase, Some(SessionPhase::Failed));
    world.run(120);
    let next = world.status().next.expect("another one was begun");
    assert_ne!(next.session_id, old);
    assert!(find(&world.status().conditions, STALLED).is_some() || world.count("Invoke") < 7);
    world.agent = Agent::Answers(200);
    world.run(400);
    assert_eq!(world.reason(), reasons::READY, "{}", world.tail());
    assert_eq!(world.vms.len(), 1);
}

#[test]
fn one_that_never_answers_is_said_to_be_stalled_and_leaves_nothing_running() {
    let mut world = World::new();
    world.agent = Agent::Fails;
    world.run(7_200);
    assert_eq!(world.reason(), reasons::AGENT_FAILED);
    assert!(find(&world.status().conditions, STALLED).is_some());
    assert!(
        world.count("Invoke") < 40,
        "in no hot loop: {}",
        world.count("Invoke")
    );
    assert!(world.vms.len() <= 1, "{}", world.tail());
}

#[test]
fn near_the_end_of_its_life_it_is_replaced() {
    let mut world = ready();
    world.run(28_100);
    assert_eq!(world.count("Stop"), 0);
    let old = world.status().session_id.unwrap();
    world.run(200);
    assert_ne!(world.status().session_id.unwrap(), old);
    assert_eq!((world.count("Stop"), world.vms.len()), (1, 1));
    assert!(world.is_ready());
}

#[test]
fn a_payload_that_the_agent_refuses_costs_no_session() {
    let mut world = ready();
    let id = world.status().session_id;
    world.agent = Agent::Answers(400);
    world.run(7_200);
    assert_eq!(world.reason(), reasons::KEEP_ALIVE_REFUSED);
    assert_eq!(world.status().last_answer, Some(400));
    assert_eq!((world.status().session_id, world.count("Stop")), (id, 0));
    world.agent = Agent::Answers(204);
    world.run(300);
    assert_eq!(world.reason(), reasons::READY);
}

#[test]
fn keepalives_slower_than_the_idle_time_out_are_refused() {
    let mut world = World::new();
    world.idle = 300;
    world.sync();
    world.run(600);
    assert_eq!(world.reason(), reasons::KEEP_ALIVE_TOO_SLOW);
    assert!(world.calls.is_empty() && has_event(&world, reasons::KEEP_ALIVE_TOO_SLOW));
    world.edit(|object| object.spec.keep_alive.as_mut().unwrap().every = Some("1m".into()));
    world.run(1);
    assert_eq!(world.reason(), reasons::READY, "{}", world.tail());
}

#[test]
fn a_payload_beyond_its_bounds_is_not_sent() {
    let mut world = World::new();
    world.sync();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(70_000));
    for payload in [deep, large] {
        world.edit(|object| {
            let payload = serde_json::from_str(&payload).unwrap();
            object.spec.keep_alive.as_mut().unwrap().payload = Some(payload);
        });
        world.run(600);
        assert_eq!(world.reason(), reasons::INVALID_SPEC);
        assert!(world.calls.is_empty() && has_event(&world, reasons::INVALID_SPEC));
    }
    world.edit(|object| object.spec.keep_alive.as_mut().unwrap().payload = None);
    world.run(1);
    assert_eq!(world.reason(), reasons::READY, "{}", world.tail());
}

#[test]
fn it_waits_for_what_it_refers_to_without_a_call() {
    let mut world = World::new();
    world.endpoint = None;
    let rest = world.pass();
    assert!(matches!(rest, Some(Rest::After(_))));
    assert_eq!(world.reason(), reasons::ENDPOINT_NOT_FOUND);
    world.sync();
    world.endpoint.as_mut().unwrap().status = None;
    world.pass();
    assert_eq!(world.reason(), reasons::ENDPOINT_NOT_READY);
    world.runtime = None;
    world.pass();
    assert_eq!(world.reason(), reasons::RUNTIME_NOT_FOUND);
    world.sync();
    world.declare(&json!({"runtimeRef": {"name": "support"}}));
    world.runtime.as_mut().unwrap().status = None;
    world.pass();
    assert_eq!(world.reason(), reasons::RUNTIME_NOT_READY);
    assert!(world.calls.is_empty());
    world.delete();
    assert!(
        world.object.is_none(),
        "without a session there is no finalizer"
    );
}

#[test]
fn a_runtime_with_a_jwt_authorizer_is_not_called() {
    let mut world = ready();
    let jwt = json!({"customJWT": {"discoveryUrl": "https://a.example/.well-known/openid-configuration"}});
    world.runtime.as_mut().unwrap().spec.authorizer = Some(serde_json::from_value(jwt).unwrap());
    world.due = world.now;
    world.run(600);
    assert_eq!(world.reason(), reasons::JWT_AUTHORIZER);
    assert!(world.calls.is_empty());
    world.delete();
    world.run(5);
    assert!(world.object.is_none() && has_event(&world, reasons::RETAINED));
}

#[test]
fn suspended_nothing_is_sent() {
    let mut world = ready();
    world.edit(|object| object.spec.suspend = Some(true));
    world.roll(2);
    world.run(600);
    assert_eq!(world.reason(), reasons::SUSPENDED);
    assert!(world.calls.is_empty() && world.is_ready());
    world.edit(|object| object.spec.suspend = None);
    world.run(5);
    assert_eq!(world.status().version.as_deref(), Some("2"));
    assert_eq!(world.vms.len(), 1);
}

#[test]
fn faults_of_aws_are_no_failures_of_the_session() {
    let mut world = ready();
    let id = world.status().session_id;
    for _ in 0..6 {
        world.faults.push_back((Class::Throttled, false));
    }
    world.run(420);
    assert!(world.is_ready(), "{}", world.tail());
    assert_eq!(world.status().session_id, id);
    for _ in 0..200 {
        world.faults.push_back((Class::Denied, false));
    }
    world.run(3_600);
    assert_eq!(world.reason(), reasons::ACCESS_DENIED, "{}", world.tail());
    assert!(!world.is_ready(), "AgentCore has ended it by now");
}

#[test]
fn deletion_stops_what_runs_and_waits_for_that() {
    let mut world = ready();
    world.faults.push_back((Class::Throttled, false));
    world.delete();
    world.run(1);
    assert!(world.object.is_some() && world.status().phase == Some(SessionPhase::Deleting));
    world.run(30);
    assert!(world.object.is_none() && world.vms.is_empty());
    assert!(has_event(&world, reasons::DELETED));
}

#[test]
fn a_stop_that_is_denied_can_be_let_go() {
    let mut world = ready();
    for _ in 0..50 {
        world.faults.push_back((Class::Denied, false));
    }
    world.delete();
    world.run(600);
    assert_eq!(world.reason(), reasons::ACCESS_DENIED);
    assert!(world.count("Stop") < 12, "in no hot loop");
    world.annotate(annotations::LET_GO, "true");
    world.run(1);
    assert!(world.object.is_none() && has_event(&world, reasons::RETAINED));
}

#[test]
fn a_request_asks_at_once_what_would_have_waited() {
    let mut world = World::new();
    world.agent = Agent::Fails;
    world.run(600);
    let before = world.count("Invoke");
    world.agent = Agent::Answers(200);
    world.annotate(annotations::REQUESTED_AT, "now");
    world.run(2);
    assert_eq!(world.count("Invoke"), before + 1);
    assert_eq!(world.reason(), reasons::READY);
    assert_eq!(world.status().last_handled_request.as_deref(), Some("now"));
}

#[test]
fn a_drain_request_replaces_the_session_once() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.annotate(annotations::DRAIN_REQUESTED_AT, "now");
    world.run(5);
    let status = world.status();
    let new = status.session_id.clone().unwrap();
    assert_ne!(old, new);
    assert_eq!(world.calls, [("Invoke", new.clone()), ("Stop", old)]);
    assert_eq!(status.last_handled_drain.as_deref(), Some("now"));
    assert!(status.drain_wanted.is_none() && world.is_ready());
    world.run(600);
    assert_eq!(world.status().session_id, Some(new), "{}", world.tail());
}

#[test]
fn an_edit_of_the_keepalive_keeps_the_session() {
    let mut world = ready();
    let id = world.status().session_id;
    world.edit(|object| object.spec.keep_alive.as_mut().unwrap().every = Some("1m".into()));
    world.run(600);
    assert_eq!(world.status().session_id, id);
    assert_eq!(world.count("Invoke"), 10);
    assert_eq!(world.status().observed_generation, Some(2));
}

#[test]
fn credentials_of_another_account_are_not_asked() {
    let mut world = ready();
    world.other_account();
    world.run(600);
    assert_eq!(world.reason(), reasons::ACCESS_DENIED);
    world.delete();
    world.run(600);
    assert!(world.calls.is_empty() && world.object.is_some());
}

#[test]
fn a_runtime_made_anew_gets_a_session_anew() {
    let mut world = ready();
    let old = world.status().session_id.unwrap();
    world.make_anew();
    world.run(10);
    let new = world.status().session_id.unwrap();
    assert_eq!(world.calls, [("Invoke", new), ("Stop", old)]);
    assert_eq!(
        (world.vms.len(), world.reason().as_str()),
        (1, reasons::READY)
    );
}
