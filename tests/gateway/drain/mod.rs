//! What becomes of sessions on a roll, as callers, AgentCore and the object's status see it.

mod asked;
mod restarts;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use agentcore_api::AgentRuntime;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::front::Front;
use super::tools::{SESSION, STARTED, UPSTREAM, close_code, good, last_error, web_socket};
use crate::rig::condition;

/// Applies `support` with these rules for sessions, at version `version` of it, and waits until that serves.
async fn roll(front: &Front, sessions: &Value, version: u32) {
    let env = json!([{"name": "ROLL", "value": version.to_string()}]);
    let changes = match version {
        1 => json!({"sessions": sessions}),
        _ => json!({"sessions": sessions, "env": env}),
    };
    let spec = front.rig.spec_with(changes);
    front.rig.apply_runtime("support", spec).await;
    let version = version.to_string();
    front
        .rig
        .runtime_until("support", "the next version", |object| {
            live(object) == Some(&version)
        })
        .await;
}

fn live(object: &AgentRuntime) -> Option<&String> {
    let status = object.status.as_ref()?;
    status.default_endpoint.as_ref()?.live_version.as_ref()
}

/// The condition SessionsCurrent and the numbers, once they are as wished.
async fn sessions_until(front: &Front, what: &str, good: impl Fn(&str, &str, &Value) -> bool) {
    front
        .rig
        .runtime_until("support", what, |object| {
            let status = object.status.as_ref().expect("a status");
            let numbers = serde_json::to_value(&status.sessions).expect("JSON");
            condition(&status.conditions, "SessionsCurrent")
                .is_some_and(|current| good(&current.status, &current.reason, &numbers))
        })
        .await;
}

fn id(number: usize) -> String {
    format!("conversation-{number:040}")
}

/// A turn of a conversation; gives AgentCore's id, whether a session began, and the agent's answer.
async fn turn(front: &Front, token: &str, number: usize) -> (String, bool, Value) {
    let request = front.invoke(token, &json!({"prompt": "hello"}));
    let (headers, body) = good(request.header(SESSION, id(number))).await;
    let upstream = headers[UPSTREAM].to_str().expect("text").to_owned();
    (upstream, headers.contains_key(STARTED), body)
}

/// A turn of a conversation whose answer streams; and AgentCore's id.
async fn streamed(
    front: &Front,
    token: &str,
    prompt: &Value,
    number: usize,
) -> (reqwest::Response, String) {
    let request = front.invoke(token, prompt).header(SESSION, id(number));
    let request = request.header("accept", "text/event-stream");
    let stream = request.send().await.expect("an answer");
    let upstream = stream.headers()[UPSTREAM].to_str().expect("text");
    let upstream = upstream.to_owned();
    (stream, upstream)
}

/// A turn of each conversation.
async fn turns(front: &Front, token: &str, conversations: usize) -> Vec<String> {
    let turns = (0..conversations).map(|number| turn(front, token, number));
    let turns: Vec<_> = futures::stream::iter(turns).buffered(8).collect().await;
    turns.into_iter().map(|(upstream, ..)| upstream).collect()
}

/// Ids of the sessions that run in the simulated AWS.
async fn running(front: &Front) -> HashSet<String> {
    let state = front.rig.aws().await;
    let sessions = state["sessions"].as_array().expect("sessions").iter();
    sessions
        .filter(|session| session["state"] == "RUNNING")
        .map(|session| session["id"].as_str().expect("text").to_owned())
        .collect()
}

async fn until_stopped(front: &Front, old: &[String]) {
    let what = "an end of the old sessions";
    front
        .rig
        .until(what, async || {
            let running = running(front).await;
            let left = old.iter().filter(|id| running.contains(*id)).count();
            if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} left\n{}", front.gateway.text()))
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_old_sessions_at_once_and_conversations_go_on_in_new_ones() {
    let front = Front::start("gw-drain-stop").await;
    let token = front.token("caller").await;
    let stop = json!({"onUpdate": "Stop"});
    roll(&front, &stop, 1).await;
    let old = turns(&front, &token, 4).await;
    sessions_until(&front, "four current sessions", |status, reason, seen| {
        (status, reason) == ("True", "AllCurrent")
            && seen["tracked"] == 4
            && seen["coverage"] == "Gateway"
    })
    .await;
    roll(&front, &stop, 2).await;
    let ready = Instant::now();
    let first = front.rig.until("a first stop", async || {
        let running = running(&front).await;
        let left = old.iter().filter(|id| running.contains(*id)).count();
        if left < old.len() {
            Ok(())
        } else {
            Err(front.gateway.text())
        }
    });
    first.await;
    assert!(
        ready.elapsed() < Duration::from_secs(5),
        "{:?}",
        ready.elapsed()
    );
    until_stopped(&front, &old).await;
    assert_eq!(front.rig.calls("StopRuntimeSession").await, 4, "each once");
    for (number, old) in old.iter().enumerate() {
        let (upstream, started, body) = turn(&front, &token, number).await;
        assert!(started && upstream != *old && body["turn"] == 1);
        let (again, started, _) = turn(&front, &token, number).await;
        assert!(!started && again == upstream);
    }
    let (_, listed) = good(front.request(Method::GET, "sessions", &token)).await;
    for session in listed["sessions"].as_array().expect("sessions") {
        assert_eq!(session["version"], "2", "{listed}");
    }
    sessions_until(&front, "four new sessions", |status, reason, seen| {
        (status, reason) == ("True", "AllCurrent")
            && (&seen["current"], &seen["stale"], &seen["stopped"])
                == (&json!(4), &json!(0), &json!(4))
            && seen["byVersion"] == json!({"2": 4})
    })
    .await;
    let metrics = front.metrics().await;
    let labels = format!(
        r#"kind="AgentRuntime",name="support",namespace="{}""#,
        front.rig.namespace
    );
    for line in [
        format!(r#"agentcore_sessions{{{labels},state="current"}} 4"#),
        format!(r#"agentcore_sessions{{{labels},state="stale"}} 0"#),
        format!(
            r#"agentcore_sessions_stopped_total{{{labels},reason="update",result="stopped"}} 4"#
        ),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let log = front.gateway.text();
    assert!(
        old.iter().all(|id| !log.contains(id)),
        "ids stay out of the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_waits_for_idleness_and_lets_what_is_in_flight_end() {
    let front = Front::start("gw-drain-idle").await;
    let token = front.token("caller").await;
    let drain = json!({"onUpdate": "Drain", "drain": {"idleAfter": "3s", "deadline": "10m"}});
    roll(&front, &drain, 1).await;
    let idle = turn(&front, &token, 0).await.0;
    // A stream that outlasts the roll and the idle time.
    let long = json!({"prompt": "one two three four five six seven eight nine", "chunks": 24, "delayMs": 500});
    let (stream, streaming) = streamed(&front, &token, &long, 1).await;
    let busy = front.invoke(&token, &json!({"action": "busy", "seconds": 600}));
    let (headers, _) = good(busy.header(SESSION, id(2))).await;
    let working = headers[UPSTREAM].to_str().expect("text").to_owned();
    roll(&front, &drain, 2).await;
    until_stopped(&front, std::slice::from_ref(&idle)).await;
    let left = running(&front).await;
    assert!(
        left.contains(&streaming) && left.contains(&working),
        "in use"
    );
    let text = stream.text().await.expect("a whole stream");
    assert!(!text.contains("event: error"), "{text}");
    assert_eq!(text.matches("data: ").count(), 24);
    until_stopped(&front, &[streaming]).await;
    sessions_until(&front, "one that works on", |status, reason, seen| {
        (status, reason) == ("False", "Draining")
            && (&seen["stale"], &seen["draining"], &seen["stopped"])
                == (&json!(1), &json!(1), &json!(2))
            && seen["oldestStaleSince"].is_string()
            && seen["byVersion"]["1"] == 1
    })
    .await;
    assert!(running(&front).await.contains(&working));
    // Ready says nothing of it, and a rollback of the version's number is no rollback: versions only grow.
    let ready = front.rig.runtime_ready("support").await;
    assert_eq!(live(&ready).map(String::as_str), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_streams_end_with_a_word_and_their_sessions_after_them() {
    let front = Front::start("gw-drain-deadline").await;
    let token = front.token("caller").await;
    let drain = json!({"onUpdate": "Drain", "drain": {"idleAfter": "1h", "deadline": "4s"}});
    roll(&front, &drain, 1).await;
    let long = json!({"prompt": "one two three", "chunks": 1000, "delayMs": 200});
    let (stream, streaming) = streamed(&front, &token, &long, 1).await;
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    let before = running(&front).await;
    assert_eq!(before.len(), 2);
    roll(&front, &drain, 2).await;
    let text = stream.text().await.expect("a whole stream");
    let (_, problem) = last_error(&text);
    assert_eq!(problem["reason"], "SessionDrained");
    assert_eq!(close_code(&mut socket).await, 1001);
    let old: Vec<String> = before.into_iter().collect();
    assert!(old.contains(&streaming));
    until_stopped(&front, &old).await;
    let (upstream, started, _) = turn(&front, &token, 1).await;
    assert!(started && upstream != streaming);
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_leaves_and_a_turn_that_finds_its_session_idle_starts_the_new_one() {
    let front = Front::start("gw-drain-leave").await;
    let token = front.token("caller").await;
    let leave = json!({"onUpdate": "Leave"});
    roll(&front, &leave, 1).await;
    let old = turns(&front, &token, 2).await;
    roll(&front, &leave, 2).await;
    sessions_until(&front, "two that are left", |status, reason, seen| {
        (status, reason) == ("False", "LeftToTimeOut")
            && (&seen["stale"], &seen["draining"]) == (&json!(2), &json!(0))
    })
    .await;
    let (same, started, body) = turn(&front, &token, 0).await;
    assert!(!started && same == old[0] && body["turn"] == 2);
    assert_eq!(front.rig.calls("StopRuntimeSession").await, 0);
    // With so slow a pace the turn is sooner than the drain.
    let drain = json!({"onUpdate": "Drain", "drain": {"idleAfter": "0s", "maxPerMinute": 1}});
    let env = json!([{"name": "ROLL", "value": "2"}]);
    let spec = front.rig.spec_with(json!({"sessions": drain, "env": env}));
    front.rig.apply_runtime("support", spec).await;
    front
        .rig
        .until("a first stop", async || {
            let calls = front.rig.calls("StopRuntimeSession").await;
            if calls == 1 {
                Ok(())
            } else {
                Err(front.gateway.text())
            }
        })
        .await;
    for number in 0..2 {
        let (upstream, started, body) = turn(&front, &token, number).await;
        assert!(started && !old.contains(&upstream) && body["turn"] == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_traffic_through_ten_rolls_meets_no_error_and_no_cut() {
    let front = Front::start("gw-drain-traffic").await;
    let token = front.token("caller").await;
    front
        .rig
        .settings(json!({"invokeRatePerSecond": 0, "stopRatePerSecond": 0}))
        .await;
    let drain = json!({"onUpdate": "Drain", "drain": {"idleAfter": "0s", "maxPerMinute": 60000}});
    roll(&front, &drain, 1).await;
    let over = tokio_util::sync::CancellationToken::new();
    let callers = (0..6).map(|number| {
        let (front, token, over) = (&front, &token, &over);
        async move {
            let (mut turns, mut sessions) = (0, HashSet::new());
            while !over.is_cancelled() {
                let prompt = format!("one two three four five six {number} {turns}");
                let body = json!({"prompt": prompt, "delayMs": 40});
                let request = front.invoke(token, &body).header(SESSION, id(number));
                let (headers, body) = good(request).await;
                assert_eq!(body["response"], *prompt, "whole");
                let new = sessions.insert(headers[UPSTREAM].clone());
                assert_eq!(headers.contains_key(STARTED), new, "said when it is new");
                turns += 1;
            }
            (turns, sessions.len())
        }
    });
    let rolls = async {
        for version in 2..=11 {
            roll(&front, &drain, version).await;
        }
        over.cancel();
    };
    let (counts, ()) = tokio::join!(futures::future::join_all(callers), rolls);
    for (turns, sessions) in counts {
        assert!(turns > 20, "{turns} turns");
        assert!((2..=11).contains(&sessions), "{sessions} sessions");
    }
    sessions_until(&front, "all on the last version", |status, _, seen| {
        status == "True" && seen["stale"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stop_is_counted_as_failed_and_tried_again() {
    let front = Front::start("gw-drain-refused").await;
    let token = front.token("caller").await;
    let stop = json!({"onUpdate": "Stop"});
    roll(&front, &stop, 1).await;
    let old = turns(&front, &token, 2).await;
    front
        .rig
        .faults(json!([{"operation": "StopRuntimeSession", "when": "before", "error": "AccessDeniedException"}]))
        .await;
    roll(&front, &stop, 2).await;
    sessions_until(&front, "two that failed", |status, reason, seen| {
        (status, reason) == ("False", "Draining")
            && (&seen["stale"], &seen["failed"]) == (&json!(2), &json!(2))
    })
    .await;
    // The conversations go on meanwhile.
    assert!(turn(&front, &token, 0).await.1);
    front.rig.no_faults().await;
    until_stopped(&front, &old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_keep_to_the_rate_and_reach_it() {
    const SESSIONS: u32 = 60;
    let front = Front::start_with("gw-drain-rate", &["--stop-rate", "5"]).await;
    let token = front.token("caller").await;
    let limits = json!({"stopRatePerSecond": 0, "invokeRatePerSecond": 0});
    front.rig.settings(limits).await;
    let rules = json!({"drain": {"idleAfter": "0s", "maxPerMinute": 60000}});
    roll(&front, &rules, 1).await;
    let old = turns(&front, &token, SESSIONS as usize).await;
    roll(&front, &rules, 2).await;
    until_stopped(&front, &old).await;
    let stops = front
        .gateway
        .lines()
        .into_iter()
        .filter(|line| line["message"] == "stale session stopped");
    let times: Vec<jiff::Timestamp> = stops
        .map(|line| {
            line["timestamp"]
                .as_str()
                .expect("a time")
                .parse()
                .expect("a time")
        })
        .collect();
    assert_eq!(times.len(), SESSIONS as usize);
    let took = times[times.len() - 1]
        .duration_since(times[0])
        .as_secs_f64();
    let floor = f64::from(SESSIONS - 1) / 5.0;
    assert!(
        (floor * 0.95..floor * 1.1).contains(&took),
        "{took} s, at best {floor} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_stops_are_tried_until_all_are_done() {
    let front = Front::start_with("gw-drain-throttled", &["--stop-rate", "50"]).await;
    let token = front.token("caller").await;
    let limits = json!({"stopRatePerSecond": 5, "burst": 1, "invokeRatePerSecond": 0});
    front.rig.settings(limits).await;
    let stop = json!({"onUpdate": "Drain", "drain": {"idleAfter": "0s", "maxPerMinute": 60000}});
    roll(&front, &stop, 1).await;
    let old = turns(&front, &token, 20).await;
    roll(&front, &stop, 2).await;
    until_stopped(&front, &old).await;
    sessions_until(&front, "all stopped", |status, _, seen| {
        status == "True" && seen["stopped"] == 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_an_agent_with_a_jwt_authorizer_are_left() {
    let front = Front::start("gw-drain-jwt").await;
    let authorizer = json!({"customJWT": {"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["support"]}});
    let spec = front
        .rig
        .spec_with(json!({"authorizer": authorizer, "sessions": {"onUpdate": "Stop"}}));
    front.rig.apply_runtime("support", spec).await;
    sessions_until(&front, "no judgement", |status, reason, _| {
        (status, reason) == ("Unknown", "JwtAuthorizer")
    })
    .await;
    assert_eq!(front.rig.calls("StopRuntimeSession").await, 0);
}

/// Pins the endpoint `blue` to a version, with these rules, and waits until it serves that.
async fn pin(front: &Front, version: &str, sessions: Value) {
    let spec = json!({"runtimeRef": {"name": "support"}, "version": version, "sessions": sessions});
    front.rig.apply_endpoint("blue", spec).await;
    let serves = |object: &agentcore_api::AgentEndpoint| {
        let status = object.status.as_ref();
        status.and_then(|status| status.live_version.as_deref()) == Some(version)
    };
    front
        .rig
        .endpoint_until("blue", "the pinned version", serves)
        .await;
    front.callable("agentendpoints", "blue").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_goes_back_makes_its_sessions_current_again() {
    let front = Front::start("gw-drain-back").await;
    let token = front.token("caller").await;
    roll(&front, &json!({"onUpdate": "Leave"}), 2).await;
    let patient = json!({"onUpdate": "Drain", "drain": {"idleAfter": "1h"}});
    pin(&front, "1", patient.clone()).await;
    let turn = async || {
        let prompt = json!({"prompt": "hello"});
        let request = front.post_to("agentendpoints", "blue", "invocations", &token, &prompt);
        let (headers, _) = good(request.header(SESSION, id(0))).await;
        let upstream = headers[UPSTREAM].to_str().expect("text").to_owned();
        (upstream, headers.contains_key(STARTED))
    };
    let until = async |what: &str, wanted: (&str, &str), stale: u32| {
        let good = |object: &agentcore_api::AgentEndpoint| {
            let status = object.status.as_ref().expect("a status");
            let seen = status
                .sessions
                .as_ref()
                .map(|seen| (seen.tracked, seen.stale));
            condition(&status.conditions, "SessionsCurrent")
                .is_some_and(|current| (current.status.as_str(), current.reason.as_str()) == wanted)
                && seen == Some((1, stale))
        };
        front.rig.endpoint_until("blue", what, good).await;
    };
    let (old, _) = turn().await;
    until("a current session", ("True", "AllCurrent"), 0).await;
    pin(&front, "2", patient.clone()).await;
    until("a stale session", ("False", "Draining"), 1).await;
    assert_eq!(turn().await, (old.clone(), false), "it is not idle");
    pin(&front, "1", patient).await;
    until("a current session again", ("True", "AllCurrent"), 0).await;
    assert_eq!(turn().await, (old.clone(), false));
    assert_eq!(front.rig.calls("StopRuntimeSession").await, 0);
    // It is stopped by the endpoint that it was born with.
    pin(&front, "2", json!({"onUpdate": "Stop"})).await;
    until_stopped(&front, std::slice::from_ref(&old)).await;
    let (new, started) = turn().await;
    assert!(started && new != old);
    let events = front.rig.events("blue").await;
    assert!(
        events.iter().any(|reason| reason == "Draining"),
        "{events:?}"
    );
}
