//! CloudWatch Logs: what sessions wrote, and how it is asked for.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Answer, Bench, Signer};
use crate::stage::{Stage, id};

const PLACE: (&str, &str) = ("111122223333", "us-east-1");

fn signer() -> Signer {
    Signer {
        service: "logs".to_owned(),
        ..Signer::default()
    }
}

async fn ask(bench: &Bench, signer: &Signer, operation: &str, body: Value) -> Answer {
    let mut headers = HeaderMap::new();
    let target = format!("Logs_20140328.{operation}");
    headers.insert("x-amz-target", target.parse().unwrap());
    let kind = "application/x-amz-json-1.1".parse().unwrap();
    headers.insert("content-type", kind);
    let sent = bench.send(signer, "POST", "/", &headers, body.to_string());
    sent.await.unwrap()
}

async fn filter(bench: &Bench, body: Value) -> Value {
    ask(bench, &signer(), "FilterLogEvents", body)
        .await
        .expect(200)
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().unwrap();
    assert!(events.iter().all(|event| event["eventId"].is_string()));
    events
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect()
}

fn write(bench: &Bench, group: &str, stream: &str, lines: std::ops::Range<usize>) {
    let app = bench.sim.app();
    for n in lines {
        app.logs
            .write(PLACE, group, stream, app.now(), &format!("line {n}"));
    }
}

#[tokio::test]
async fn what_a_session_wrote_is_in_the_group_of_its_endpoint_to_the_last_word() {
    let stage = Stage::start(json!({})).await;
    let group = format!("/aws/bedrock-agentcore/runtimes/{}-DEFAULT", stage.runtime);
    let body = json!({ "logGroupName": group });
    let answer = ask(&stage.bench, &signer(), "FilterLogEvents", body.clone()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["__type"], "ResourceNotFoundException");
    assert_eq!(
        answer.body["message"],
        "The specified log group does not exist."
    );

    let pid = stage.pid(1).await;
    stage.stop(1, None, Value::Null).await;
    stage.ended(pid).await;
    let answer = filter(&stage.bench, body).await;
    assert!(messages(&answer).contains(&"terminated"), "{answer}");
    let event = &answer["events"][0];
    let stream = event["logStreamName"].as_str().unwrap();
    let (day, rest) = stream.split_once("/[runtime-logs-").unwrap();
    assert_eq!(day.len(), "2026/11/21".len(), "{stream}");
    assert!(rest.starts_with(&format!("{}]", id(1))), "{stream}");
    let now = jiff::Timestamp::now().as_millisecond();
    let at = event["timestamp"].as_i64().unwrap();
    assert!((now - 60_000..=now).contains(&at), "{event}");
    // The file has the same, byte for byte.
    assert!(stage.log(pid).await.contains("terminated\n"));
}

#[tokio::test]
async fn events_are_chosen_by_time_stream_and_words() {
    let bench = Bench::start().await;
    write(&bench, "g", "2026/11/21/[runtime-logs-a]1", 0..3);
    bench.advance(100.0).await;
    let later = bench.sim.app().now().as_millisecond();
    write(&bench, "g", "2026/11/21/[runtime-logs-b]2", 3..6);
    for (wish, expected) in [
        (json!({}), 0..6),
        (json!({ "startTime": later }), 3..6),
        (json!({ "endTime": later - 1 }), 0..3),
        (
            json!({ "logStreamNamePrefix": "2026/11/21/[runtime-logs-a" }),
            0..3,
        ),
        (
            json!({ "logStreamNames": ["2026/11/21/[runtime-logs-b]2"] }),
            3..6,
        ),
        (
            json!({ "filterPattern": "line -\"line 5\"", "startTime": later }),
            3..5,
        ),
        (json!({ "startTime": later + 10_000 }), 0..0),
    ] {
        let mut body = wish.clone();
        body["logGroupName"] = json!("g");
        let answer = filter(&bench, body).await;
        let expected: Vec<String> = expected.map(|n| format!("line {n}")).collect();
        assert_eq!(messages(&answer), expected, "{wish}");
        assert_eq!(answer.get("nextToken"), None);
    }
}

#[tokio::test]
async fn pages_end_at_their_limit_or_at_a_mebibyte_and_go_on_by_token() {
    let bench = Bench::start().await;
    write(&bench, "g", "s", 0..5);
    let first = filter(&bench, json!({ "logGroupName": "g", "limit": 2 })).await;
    assert_eq!(messages(&first), ["line 0", "line 1"]);
    let token = &first["nextToken"];
    // What comes meanwhile is on the pages that follow.
    write(&bench, "g", "s", 5..6);
    let body = json!({ "logGroupName": "g", "nextToken": token });
    let rest = filter(&bench, body).await;
    assert_eq!(messages(&rest), ["line 2", "line 3", "line 4", "line 5"]);
    assert_eq!(rest.get("nextToken"), None);

    let app = bench.sim.app();
    for _ in 0..5 {
        let line = "x".repeat(300_000);
        app.logs.write(PLACE, "big", "s", app.now(), &line);
    }
    let first = filter(&bench, json!({ "logGroupName": "big" })).await;
    assert_eq!(messages(&first).len(), 3);
    assert!(first["nextToken"].is_string());
    let bad = json!({ "logGroupName": "g", "nextToken": "nonsense" });
    let answer = ask(&bench, &signer(), "FilterLogEvents", bad).await;
    assert_eq!(
        (answer.status, &answer.body["__type"]),
        (400, &json!("InvalidParameterException"))
    );
}

#[tokio::test]
async fn groups_and_streams_are_listed_for_the_account_and_region_of_the_caller() {
    let bench = Bench::start().await;
    for (group, stream) in [("/a/1", "x"), ("/a/2", "y"), ("/a/2", "z"), ("/b", "x")] {
        write(&bench, group, stream, 0..1);
    }
    let names = |answer: &Value, list: &str, name: &str| -> Vec<String> {
        let list = answer[list].as_array().unwrap();
        list.iter()
            .map(|one| one[name].as_str().unwrap().to_owned())
            .collect()
    };
    let wish = json!({ "logGroupNamePrefix": "/a/", "limit": 1 });
    let first = ask(&bench, &signer(), "DescribeLogGroups", wish.clone())
        .await
        .expect(200);
    assert_eq!(names(&first, "logGroups", "logGroupName"), ["/a/1"]);
    let mut next = wish;
    next["nextToken"] = first["nextToken"].clone();
    let second = ask(&bench, &signer(), "DescribeLogGroups", next)
        .await
        .expect(200);
    assert_eq!(names(&second, "logGroups", "logGroupName"), ["/a/2"]);
    assert_eq!(second.get("nextToken"), None);
    let arn = second["logGroups"][0]["logGroupArn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:logs:us-east-1:111122223333:log-group:/a/2");

    let by_arn =
        json!({ "logGroupIdentifier": arn, "orderBy": "LastEventTime", "descending": true });
    let streams = ask(&bench, &signer(), "DescribeLogStreams", by_arn)
        .await
        .expect(200);
    assert_eq!(names(&streams, "logStreams", "logStreamName").len(), 2);
    let elsewhere = Signer {
        region: "eu-west-1".to_owned(),
        ..signer()
    };
    let none = ask(&bench, &elsewhere, "DescribeLogGroups", json!({}))
        .await
        .expect(200);
    assert_eq!(none["logGroups"], json!([]));
}

#[tokio::test]
async fn who_signs_for_another_service_or_asks_for_something_else_is_refused() {
    let bench = Bench::start().await;
    let body = json!({ "logGroupName": "g" });
    let answer = ask(&bench, &Signer::default(), "FilterLogEvents", body).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    for (operation, body, error) in [
        ("PutLogEvents", json!({}), "UnknownOperationException"),
        ("FilterLogEvents", json!({}), "InvalidParameterException"),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "g", "limit": 0 }),
            "InvalidParameterException",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "g", "logStreamNames": ["a"], "logStreamNamePrefix": "a" }),
            "InvalidParameterException",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "g", "startTime": 2, "endTime": 1 }),
            "InvalidParameterException",
        ),
    ] {
        let answer = ask(&bench, &signer(), operation, body.clone()).await;
        assert_eq!(
            answer.body["__type"], error,
            "{operation} {body}: {}",
            answer.text
        );
    }
}
