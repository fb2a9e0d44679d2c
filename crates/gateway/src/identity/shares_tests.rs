//! One caller against all: what it asks for, invents or keeps takes nothing from others.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use futures::future::join_all;

use super::super::fake::{AUDIENCE, Cluster, SOON};
use super::super::{Kind, Subresource, Verb};
use super::*;

fn gate(cluster: &Arc<Cluster>, lives: Lives) -> Gate {
    let audiences = vec![AUDIENCE.to_owned()];
    Gate::with_lives(cluster.client(), audiences, Asking::default(), lives)
}

fn who(user: &str) -> Arc<Identity> {
    Arc::new(Identity {
        user: user.to_owned(),
        uid: None,
        groups: Vec::new(),
        extra: std::collections::BTreeMap::new(),
    })
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

fn good_token() -> Token {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, "Bearer good".parse().expect("a value"));
    Token::from_headers(&headers).expect("a token")
}

#[tokio::test]
async fn a_caller_has_two_reviews_under_way_however_many_names_it_invents() {
    let cluster = Cluster::slow();
    let gate = gate(&cluster, Lives::default());
    let (greedy, other) = (who("greedy"), who("other"));
    let names: Vec<_> = (0..500).map(|n| invoke(&format!("invented-{n}"))).collect();
    let flood = join_all(names.iter().map(|name| gate.authorize(&greedy, name)));
    let support = invoke("support");
    let served = async {
        cluster.wait_for(2).await;
        let asking = gate.authorize(&other, &support);
        let answers = async {
            cluster.wait_for(3).await;
            assert_eq!(cluster.asked().1, 3, "two of the flood, and the other's");
            cluster.turns.add_permits(10_000);
        };
        tokio::join!(asking, answers).0
    };
    let (flood, served) = tokio::join!(flood, served);
    served.expect("the other caller is let in");
    let turned_away = flood.iter().filter(|one| one.is_err()).count();
    assert!(
        turned_away >= 300,
        "{turned_away}: the queue is not bounded"
    );
    assert_eq!(gate.lanes.access.callers(), 0, "nobody is remembered");
}

#[tokio::test]
async fn names_that_lead_nowhere_are_few_a_second_for_the_caller_that_invents_them() {
    let cluster = Cluster::new();
    *cluster.allowed.lock() = false;
    let gate = gate(&cluster, Lives::default());
    let greedy = who("greedy");
    let began = Instant::now();
    let mut too_many = 0;
    for number in 0..1_000 {
        match gate
            .authorize(&greedy, &invoke(&format!("invented-{number}")))
            .await
        {
            Err(Denied::TooMany(wait)) => {
                assert!(wait <= Duration::from_secs(1), "{wait:?}");
                too_many += 1;
            }
            Err(Denied::Forbidden(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let let_in = 10.0 + 10.0 * began.elapsed().as_secs_f64() + 2.0;
    let asked = f64::from(u32::try_from(cluster.asked().1).expect("few"));
    assert!(asked <= let_in, "{asked} asked, {let_in} at most");
    assert!(too_many > 0);
    let other = gate.authorize(&who("other"), &invoke("support")).await;
    assert!(matches!(other, Err(Denied::Forbidden(_))), "{other:?}");
}

#[tokio::test]
async fn names_that_are_not_there_count_too_where_all_are_allowed() {
    let cluster = Cluster::new();
    let gate = gate(&cluster, Lives::default());
    let greedy = who("greedy");
    let deadline = Instant::now() + SOON;
    let mut number = 0;
    let wait = loop {
        assert!(Instant::now() < deadline, "nothing is ever refused");
        number += 1;
        match gate
            .authorize(&greedy, &invoke(&format!("n-{number}")))
            .await
        {
            Ok(answer) => gate.invented(&greedy, answer),
            Err(Denied::TooMany(wait)) => break wait,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(wait <= Duration::from_secs(1) && number >= 10);
    // What it may call is remembered, and goes on.
    gate.authorize(&greedy, &invoke("n-1"))
        .await
        .expect("remembered");
    gate.authorize(&who("other"), &invoke("n-1"))
        .await
        .expect("allowed");
}

#[tokio::test]
async fn what_one_caller_is_remembered_for_makes_way_for_nobody_and_takes_nobodys_place() {
    let cluster = Cluster::new();
    let gate = gate(
        &cluster,
        Lives {
            allowed: Duration::from_hours(1),
            ..Lives::default()
        },
    );
    let (many, other) = (who("many"), who("other"));
    let support = invoke("support");
    gate.authorize(&other, &support).await.expect("allowed");
    for number in 0..3_000 {
        let name = invoke(&format!("agent-{number}"));
        gate.authorize(&many, &name).await.expect("allowed");
    }
    gate.allowed.run_pending_tasks().await;
    let entries = gate.allowed.entry_count();
    assert!((2_000..=2_501).contains(&entries), "{entries}");
    let again = gate.authorize(&other, &support).await;
    assert_eq!(again, Ok(Answer::Remembered));
}

#[tokio::test]
async fn an_answer_grows_old_from_its_question_on() {
    let cluster = Cluster::slow();
    let gate = gate(&cluster, Lives::default());
    let token = good_token();
    let answer = async {
        cluster.wait_for(1).await;
        let asked = Instant::now();
        cluster.turns.add_permits(10);
        asked
    };
    let (known, asked) = tokio::join!(gate.authenticate(&token), answer);
    let who = known.expect("known");
    let known = gate.known.get(token.digest()).await.expect("remembered");
    assert!(known.until <= asked + ALLOWED_FOR);
    let support = invoke("support");
    gate.authorize(&who, &support).await.expect("allowed");
    let question = Asked {
        who: &who,
        access: &support,
    };
    let allowed = gate.allowed.get(&question).await.expect("remembered");
    assert!(allowed.until <= Instant::now() + ALLOWED_FOR);
}
