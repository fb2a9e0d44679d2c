//! Keepalives and stops: what each answer of an agent and of AgentCore is taken for.

#[path = "../apiserver/agent.rs"]
mod agent;

use std::time::{Duration, Instant};

use agentcore_aws::fair::Tenant;
use agentcore_aws::{DataPlane, Operation, Priority, Rates};
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::fault::Class;
use agentcore_plan::session::{Address, CallResult};
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::types::{
    CommandExecutionStatus, InvokeAgentRuntimeCommandRequestBody,
};
use futures::future::join_all;
use futures::poll;
use serde_json::{Value, json};

use super::full_config::minimal;
use super::support::{REGION, World, credentials, quick, rates, sdk_config, tags, token};

const LONG: Duration = Duration::from_mins(1);

/// The reference agent, READY, and where a session of it would be.
async fn stage() -> (World, DataPlane, Address) {
    stage_at(rates(5_000.0)).await
}

/// The same at these rates.
async fn stage_at(rates: Rates) -> (World, DataPlane, Address) {
    let world = World::with_rates(quick(), rates).await;
    let program = json!({"argv": [agent::agent_program()]});
    let image = json!({"repository": "support", "tag": "agent", "program": program});
    let pushed = world.admin("POST", "images", image).await;
    let config = minimal(pushed["imageUri"].as_str().expect("a URI"));
    let created = world
        .control()
        .create_runtime(
            Priority::Urgent,
            "support",
            &config,
            &tags(),
            &token("support"),
        )
        .await
        .expect("accepted");
    world.until_status(&created.id, ServiceStatus::Ready).await;
    let plane = world.aws.data_plane(REGION).expect("a client");
    let at = Address {
        runtime_arn: created.arn,
        qualifier: "DEFAULT".to_owned(),
        session_id: "a".repeat(64),
    };
    (world, plane, at)
}

async fn ask(plane: &DataPlane, at: &Address, payload: &Value, within: Duration) -> CallResult {
    plane
        .invoke(Priority::Urgent, at, payload.to_string(), within)
        .await
}

#[tokio::test]
async fn good_answers_are_told_by_their_status_alone_however_long_they_are() {
    let (world, plane, at) = stage().await;
    for payload in [
        json!({"action": "keepalive"}),
        json!({"prompt": "a stream of events"}),
        // More than is read.
        json!({"prompt": "many", "chunks": 40_000}),
    ] {
        let answered = ask(&plane, &at, &payload, LONG).await;
        assert_eq!(answered, CallResult::Answered(200), "{payload}");
    }
    // One that has begun and goes on: it is not waited for.
    let begun = Instant::now();
    let endless = json!({"prompt": "slow", "chunks": 1_000, "delayMs": 1_000});
    let answered = ask(&plane, &at, &endless, Duration::from_secs(2)).await;
    assert_eq!(answered, CallResult::Answered(200));
    assert!(begun.elapsed() < LONG);
    let codes = world.observed.codes(Operation::InvokeAgentRuntime);
    assert_eq!(codes, ["OK"; 4]);
    let state = world.admin("GET", "state", json!({})).await;
    let sessions = state["sessions"].as_array().expect("sessions");
    assert_eq!(sessions.len(), 1, "one session: {state}");
    assert_eq!(sessions[0]["id"], at.session_id);
}

#[tokio::test]
async fn a_keepalive_and_a_stop_pass_those_of_another_namespace_that_wait() {
    let rates = Rates::new([
        ("InvokeAgentRuntime".to_owned(), 4.0),
        ("StopRuntimeSession".to_owned(), 4.0),
    ]);
    let (world, plane, at) = stage_at(rates.expect("good rates")).await;
    let of = |namespace| plane.of(Tenant::new(namespace, 10));
    let nobody = Address {
        session_id: "b".repeat(64),
        ..at.clone()
    };
    for operation in [Operation::InvokeAgentRuntime, Operation::StopRuntimeSession] {
        let stops = operation == Operation::StopRuntimeSession;
        let call = async |plane: DataPlane, at: Address| {
            if stops {
                plane.stop(Priority::Urgent, &at).await
            } else {
                ask(&plane, &at, &json!({"action": "keepalive"}), LONG).await
            }
        };
        let crowd = (0..60).map(|_| call(of("crowd"), nobody.clone()));
        let mut crowd = Box::pin(join_all(crowd));
        assert!(poll!(&mut crowd).is_pending(), "they wait");
        let before = world.calls(operation).await;
        let mine = call(of("shop"), at.clone());
        let result = tokio::select! {
            result = mine => result,
            _ = &mut crowd => panic!("{operation}: the crowd came first"),
        };
        assert!(
            matches!(result, CallResult::Answered(200) | CallResult::Stopped),
            "{result:?}"
        );
        let ahead = world.calls(operation).await - before;
        assert!(ahead <= 6, "{operation}: {ahead} came first");
    }
}

#[tokio::test]
async fn the_agents_failures_are_its_own_and_refusals_are_told_apart() {
    let (_world, plane, at) = stage().await;
    let refused = ask(&plane, &at, &json!({"action": "dance"}), LONG).await;
    assert_eq!(refused, CallResult::Answered(400));
    let secret = json!({"action": "fail", "message": "words of the agent"});
    for payload in [secret, json!({"action": "crash"})] {
        let failed = ask(&plane, &at, &payload, LONG).await;
        let CallResult::AgentFailed(why) = failed else {
            panic!("{payload}: {failed:?}");
        };
        assert!(!why.contains("words of the agent"), "{why}");
    }
    let again = ask(&plane, &at, &json!({"action": "keepalive"}), LONG).await;
    assert_eq!(again, CallResult::Answered(200));
}

#[tokio::test]
async fn an_agent_that_does_not_answer_in_time_has_failed() {
    let (world, plane, at) = stage().await;
    let slow = json!({"operation": "InvokeAgentRuntime", "when": "before", "delayMs": 600_000});
    world.fault(slow).await;
    let payload = json!({"action": "keepalive"});
    let failed = ask(&plane, &at, &payload, Duration::from_secs(1)).await;
    assert_eq!(
        failed,
        CallResult::AgentFailed("the agent did not answer within 1 s".to_owned())
    );
}

#[tokio::test]
async fn faults_of_aws_keep_their_class_and_are_sent_once() {
    let (world, plane, at) = stage().await;
    for (error, class) in [
        ("ThrottlingException", Class::Throttled),
        ("AccessDeniedException", Class::Denied),
        ("ServiceQuotaExceededException", Class::Quota),
        ("InternalServerException", Class::Transient),
        ("RetryableConflictException", Class::Conflict),
        ("drop", Class::Transient),
    ] {
        for operation in [Operation::InvokeAgentRuntime, Operation::StopRuntimeSession] {
            let fault = json!({"operation": operation.as_str(), "when": "before", "error": error});
            world.fault(fault).await;
            let before = world.calls(operation).await;
            let result = if operation == Operation::StopRuntimeSession {
                plane.stop(Priority::Urgent, &at).await
            } else {
                ask(&plane, &at, &json!({"action": "keepalive"}), LONG).await
            };
            let CallResult::Failed(fault) = result else {
                panic!("{error} of {operation}: {result:?}");
            };
            assert_eq!(fault.class, class, "{error} of {operation}: {fault:?}");
            let calls = world.calls(operation).await - before;
            assert_eq!(calls, 1, "{error} of {operation} was sent {calls} times");
        }
    }
}

#[tokio::test]
async fn a_session_is_stopped_once_and_then_gone() {
    let (world, plane, at) = stage().await;
    let none = plane.stop(Priority::Urgent, &at).await;
    assert!(matches!(&none, CallResult::Failed(fault) if fault.class == Class::Gone));
    ask(&plane, &at, &json!({"action": "keepalive"}), LONG).await;
    assert_eq!(plane.stop(Priority::Urgent, &at).await, CallResult::Stopped);
    let again = plane.stop(Priority::Urgent, &at).await;
    assert!(matches!(&again, CallResult::Failed(fault) if fault.class == Class::Gone));
    let codes = world.observed.codes(Operation::StopRuntimeSession);
    let gone = "ResourceNotFoundException";
    assert_eq!(codes, [gone, "OK", gone]);
}

#[tokio::test]
async fn the_sdk_reads_what_a_command_in_a_session_wrote() {
    let (world, _, at) = stage().await;
    let client = Client::new(&sdk_config(&world.sim.url(), credentials("test", "test")));
    let command = "echo out; echo err >&2; exit 3";
    let body = InvokeAgentRuntimeCommandRequestBody::builder().command(command);
    let call = client
        .invoke_agent_runtime_command()
        .agent_runtime_arn(&at.runtime_arn)
        .runtime_session_id(&at.session_id)
        .body(body.build().expect("a command"));
    let mut answer = call.send().await.expect("accepted");
    assert_eq!(answer.runtime_session_id(), Some(at.session_id.as_str()));
    let (mut out, mut err, mut end) = (String::new(), String::new(), None);
    while let Some(event) = answer.stream.recv().await.expect("an event") {
        let chunk = event.as_chunk().expect("a chunk");
        if let Some(delta) = chunk.content_delta() {
            out.push_str(delta.stdout().unwrap_or_default());
            err.push_str(delta.stderr().unwrap_or_default());
        }
        end = chunk.content_stop().cloned().or(end);
    }
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    let end = end.expect("an end");
    assert_eq!(end.exit_code(), 3);
    assert_eq!(end.status(), &CommandExecutionStatus::Completed);
}
