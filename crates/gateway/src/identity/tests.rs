use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use futures::future::join_all;
use serde_json::json;

use super::super::fake::{AUDIENCE, Cluster, SOON};
use super::super::{Subresource, Verb};
use super::*;
use crate::agents::Kind;

/// As many reviews as a lane has under way where nothing else is said.
const AT_ONCE: usize = 32;

fn gate(cluster: &Arc<Cluster>) -> Gate {
    Gate::new(
        cluster.client(),
        vec![AUDIENCE.to_owned()],
        Asking::default(),
    )
}

fn token(text: &str) -> Token {
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        format!("Bearer {text}").parse().expect("a value"),
    );
    Token::from_headers(&headers).expect("a token")
}

fn invoke(name: &str) -> Access {
    Access {
        kind: Kind::AgentRuntime,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        verb: Verb::Create,
        subresource: Subresource::Invocations,
    }
}

#[tokio::test]
async fn a_caller_that_is_known_costs_the_api_server_nothing() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    for _ in 0..100 {
        let who = gate.authenticate(&token("good")).await.expect("known");
        assert_eq!(
            (who.user.as_str(), who.uid.as_deref()),
            ("alice", Some("u-1"))
        );
        gate.authorize(&who, &invoke("support"))
            .await
            .expect("allowed");
    }
    assert_eq!(cluster.asked(), (1, 1));
}

#[tokio::test]
async fn the_access_review_names_object_subresource_and_the_whole_identity() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    let who = gate.authenticate(&token("good")).await.expect("known");
    let access = Access {
        kind: Kind::AgentEndpoint,
        verb: Verb::Delete,
        subresource: Subresource::Sessions,
        ..invoke("support")
    };
    gate.authorize(&who, &access).await.expect("allowed");
    let expected = json!({
        "user": "alice", "uid": "u-1", "groups": ["devs"], "extra": { "pod": ["p"] },
        "resourceAttributes": {
            "group": "agentcore.dev", "version": "v1alpha1", "resource": "agentendpoints", "subresource": "sessions",
            "namespace": "shop", "name": "support", "verb": "delete",
        },
    });
    assert_eq!(*cluster.last_access.lock(), expected);
}

#[tokio::test]
async fn another_access_and_another_identity_are_other_questions() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    let who = gate.authenticate(&token("good")).await.expect("known");
    let other = Arc::new(Identity {
        groups: vec!["ops".to_owned()],
        ..(*who).clone()
    });
    gate.authorize(&who, &invoke("support"))
        .await
        .expect("allowed");
    *cluster.allowed.lock() = false;
    let reading = Access {
        verb: Verb::Get,
        ..invoke("support")
    };
    assert!(gate.authorize(&who, &reading).await.is_err());
    assert!(gate.authorize(&who, &invoke("billing")).await.is_err());
    assert!(gate.authorize(&other, &invoke("support")).await.is_err());
    gate.authorize(&who, &invoke("support"))
        .await
        .expect("remembered");
    assert_eq!(cluster.asked(), (1, 4));
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_review_also_when_it_is_a_refusal() {
    for (text, good) in [("good", true), ("bad", false)] {
        let cluster = Cluster::slow();
        let gate = gate(&cluster);
        let token = token(text);
        let all = join_all((0..200).map(|_| gate.authenticate(&token)));
        let answer = async {
            cluster.wait_for(1).await;
            cluster.turns.add_permits(1_000);
        };
        let (all, ()) = tokio::join!(all, answer);
        assert!(all.iter().all(|one| one.is_ok() == good), "{text}");
        assert_eq!(cluster.asked().0, 1, "{text}");
    }
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let cluster = Cluster::new();
    cluster.good.lock().push((
        "other".to_owned(),
        "https://kubernetes.default.svc".to_owned(),
    ));
    let denied = gate(&cluster).authenticate(&token("other")).await;
    let Err(Denied::BadToken(text)) = denied else {
        panic!("{denied:?}")
    };
    assert!(text.contains(AUDIENCE), "{text}");
}

#[tokio::test]
async fn without_an_audience_nobody_comes_in() {
    let cluster = Cluster::new();
    let gate = Gate::new(cluster.client(), Vec::new(), Asking::default());
    assert!(gate.authenticate(&token("good")).await.is_err());
}

#[tokio::test]
async fn a_refusal_is_remembered_and_does_not_last() {
    let cluster = Cluster::new();
    *cluster.allowed.lock() = false;
    let lasting = gate(&cluster);
    let who = lasting.authenticate(&token("good")).await.expect("known");
    for _ in 0..10 {
        let denied = lasting.authorize(&who, &invoke("support")).await;
        let Err(Denied::Forbidden(text)) = denied else {
            panic!("{denied:?}")
        };
        assert!(
            text.contains("create agentruntimes/invocations") && text.contains("shop"),
            "{text}"
        );
    }
    assert_eq!(cluster.asked(), (1, 1));

    let audiences = vec![AUDIENCE.to_owned()];
    let short = Duration::from_millis(20);
    let forgetful = Gate::with_lives(
        cluster.client(),
        audiences,
        Asking::default(),
        Lives {
            allowed: ALLOWED_FOR,
            refused: short,
            rechecked: RECHECKED_FOR,
        },
    );
    assert!(forgetful.authorize(&who, &invoke("support")).await.is_err());
    *cluster.allowed.lock() = true;
    let deadline = Instant::now() + SOON;
    while forgetful.authorize(&who, &invoke("support")).await.is_err() {
        assert!(Instant::now() < deadline, "the refusal lasts");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_allowed_caller_is_asked_about_again() {
    let cluster = Cluster::new();
    let audiences = vec![AUDIENCE.to_owned()];
    let short = Duration::from_millis(20);
    let gate = Gate::with_lives(
        cluster.client(),
        audiences,
        Asking::default(),
        Lives {
            allowed: short,
            refused: REFUSED_FOR,
            rechecked: RECHECKED_FOR,
        },
    );
    gate.authenticate(&token("good")).await.expect("known");
    cluster.good.lock().clear();
    let deadline = Instant::now() + SOON;
    while gate.authenticate(&token("good")).await.is_ok() {
        assert!(Instant::now() < deadline, "the token stays good for ever");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_api_server_that_fails_lets_nobody_in_and_is_asked_again() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    let who = gate.authenticate(&token("good")).await.expect("known");
    *cluster.broken.lock() = Some(StatusCode::FORBIDDEN);
    cluster
        .good
        .lock()
        .push(("good2".to_owned(), AUDIENCE.to_owned()));
    let denied = [
        gate.authenticate(&token("good2")).await.map(drop),
        gate.authorize(&who, &invoke("support")).await.map(drop),
        gate.still(&token("good"), &invoke("support")).await,
    ];
    for denied in denied {
        let Err(Denied::Unavailable(text)) = denied else {
            panic!("{denied:?}")
        };
        assert!(!text.contains("secret"), "{text}");
    }
    *cluster.broken.lock() = None;
    gate.authenticate(&token("good2"))
        .await
        .expect("asked again");
    gate.authorize(&who, &invoke("support"))
        .await
        .expect("asked again");
}

#[tokio::test]
async fn an_api_server_that_says_nothing_is_not_waited_for_for_ever() {
    let cluster = Cluster::slow();
    let gate = gate(&cluster);
    let denied = tokio::time::timeout(SOON, gate.authenticate(&token("good"))).await;
    assert!(
        matches!(denied, Ok(Err(Denied::Unavailable(_)))),
        "{denied:?}"
    );
}

#[tokio::test]
async fn a_revoked_right_ends_open_streams_and_new_requests() {
    let cluster = Cluster::new();
    let audiences = vec![AUDIENCE.to_owned()];
    let at_once = Duration::from_nanos(1);
    let gate = Gate::with_lives(
        cluster.client(),
        audiences,
        Asking::default(),
        Lives {
            allowed: ALLOWED_FOR,
            refused: REFUSED_FOR,
            rechecked: at_once,
        },
    );
    let (token, access) = (token("good"), invoke("support"));
    let who = gate.authenticate(&token).await.expect("known");
    gate.authorize(&who, &access).await.expect("allowed");
    gate.still(&token, &access).await.expect("still");
    assert_eq!(cluster.asked(), (2, 2), "still asks anew");

    *cluster.allowed.lock() = false;
    gate.authorize(&who, &access).await.expect("remembered");
    let denied = gate.still(&token, &access).await;
    assert!(matches!(denied, Err(Denied::Forbidden(_))), "{denied:?}");
    assert!(gate.authorize(&who, &access).await.is_err());

    cluster.good.lock().clear();
    let denied = gate.still(&token, &access).await;
    assert!(matches!(denied, Err(Denied::BadToken(_))), "{denied:?}");
    assert!(gate.authenticate(&token).await.is_err());
}

#[tokio::test]
async fn more_open_streams_of_a_caller_than_a_queue_has_places_ask_once() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    let (token, access) = (token("good"), invoke("support"));
    let streams = (0..1_000).map(|_| gate.still(&token, &access));
    for still in join_all(streams).await {
        still.expect("still");
    }
    let (tokens, accesses) = cluster.asked();
    // A second ask may follow where the machine is so busy that the first answer grows old.
    assert!(tokens < 10 && accesses < 10, "{tokens} {accesses}");
}

#[tokio::test]
async fn open_streams_of_many_callers_wait_for_their_turn() {
    let cluster = Cluster::new();
    let tokens: Vec<_> = (0..1_000).map(|number| format!("good{number}")).collect();
    let good = tokens
        .iter()
        .map(|text| (text.clone(), AUDIENCE.to_owned()));
    cluster.good.lock().extend(good);
    let gate = gate(&cluster);
    let (tokens, access): (Vec<_>, _) = (
        tokens.iter().map(|text| token(text)).collect(),
        invoke("support"),
    );
    for still in join_all(tokens.iter().map(|token| gate.still(token, &access))).await {
        still.expect("none is turned away");
    }
}

#[tokio::test]
async fn a_flood_of_invented_tokens_is_bounded_and_known_callers_pass_it() {
    let cluster = Cluster::slow();
    let audiences = vec![AUDIENCE.to_owned()];
    // Nothing stays in the cache: each request of the known caller needs a review.
    let gate = Gate::with_lives(
        cluster.client(),
        audiences,
        Asking::default(),
        Lives {
            allowed: Duration::from_nanos(1),
            refused: REFUSED_FOR,
            rechecked: RECHECKED_FOR,
        },
    );
    cluster.turns.add_permits(1);
    gate.authenticate(&token("good")).await.expect("known");
    let invented: Vec<_> = (0..2_000)
        .map(|number| token(&format!("bad{number}")))
        .collect();
    let flood = join_all(invented.iter().map(|token| gate.authenticate(token)));
    let known = async {
        cluster.wait_for(1 + AT_ONCE).await;
        let good = token("good");
        let regular = gate.authenticate(&good);
        let answers = async {
            // One more than the flood may have under way: the known caller's.
            cluster.wait_for(2 + AT_ONCE).await;
            assert_eq!(cluster.asked().0, 2 + AT_ONCE);
            cluster.turns.add_permits(10_000);
        };
        let (regular, ()) = tokio::join!(regular, answers);
        regular.expect("the known caller passes");
    };
    let (flood, ()) = tokio::join!(flood, known);
    assert!(flood.iter().all(Result::is_err));
    let turned_away = flood
        .iter()
        .filter(|one| matches!(one, Err(Denied::Unavailable(_))));
    assert!(turned_away.count() >= 1_000, "the queue is not bounded");
}

#[tokio::test]
async fn hits_misses_and_reviews_are_counted() {
    let cluster = Cluster::new();
    let gate = gate(&cluster);
    for _ in 0..3 {
        gate.authenticate(&token("good")).await.expect("known");
        gate.authenticate(&token("bad")).await.expect_err("refused");
    }
    let registry = prometheus::Registry::new();
    for collector in gate.collectors() {
        registry.register(collector).expect("registers");
    }
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("text");
    for line in [
        r#"gateway_review_lookups_total{result="hit",review="token"} 4"#,
        r#"gateway_review_lookups_total{result="miss",review="token"} 2"#,
        r#"gateway_review_duration_seconds_count{result="allowed",review="token"} 1"#,
        r#"gateway_review_duration_seconds_count{result="refused",review="token"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
