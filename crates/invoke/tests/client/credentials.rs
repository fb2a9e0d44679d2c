//! Credentials: from STS through the SDK's own provider, renewed, rejected, and failing without a storm.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use agentcore_invoke::{Client, Credentials, DataPlane, Settings};
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Providing;
use futures::future::join_all;
use serde_json::json;

use crate::stage::{REGION, ROLE, Stage, hasty, keys, read, soon, wish};

type Given = Result<aws_credential_types::Credentials, CredentialsError>;

/// A provider that gives what a test says, the n-th time counted from 0, after a while.
struct Told<F> {
    loads: Arc<AtomicU32>,
    takes: Duration,
    gives: F,
}

impl<F> std::fmt::Debug for Told<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl<F: Fn(u32) -> Given + Send + Sync> ProvideCredentials for Told<F> {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async {
            let n = self.loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.takes).await;
            (self.gives)(n)
        })
    }
}

/// Credentials with such a provider, and how often it was asked.
fn told(
    takes: Duration,
    gives: impl Fn(u32) -> Given + Send + Sync + 'static,
) -> (Credentials, Arc<AtomicU32>) {
    let loads = Arc::new(AtomicU32::new(0));
    let provider = Told {
        loads: loads.clone(),
        takes,
        gives,
    };
    (Credentials::new(provider), loads)
}

/// Keys that end so long from now.
fn lasting(id: &str, life: Duration) -> aws_credential_types::Credentials {
    let end = SystemTime::now() + life;
    aws_credential_types::Credentials::new(id, "secret", None, Some(end), "test")
}

fn broken() -> Given {
    Err(CredentialsError::provider_error("STS is down"))
}

#[tokio::test]
async fn many_callers_wait_for_one_load() {
    let (credentials, loads) = told(Duration::from_millis(50), |_| Ok(keys("a", "b")));
    let found = join_all((0..100).map(|_| credentials.get())).await;
    assert!(
        found
            .into_iter()
            .all(|one| one.unwrap().access_key_id() == "a")
    );
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_load_for_others() {
    let (credentials, loads) = told(Duration::from_millis(50), |_| Ok(keys("a", "b")));
    let first = tokio::time::timeout(Duration::from_millis(1), credentials.get()).await;
    assert!(first.is_err());
    credentials.get().await.unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn credentials_are_renewed_five_minutes_ahead_while_the_old_serve() {
    let (credentials, loads) = told(Duration::from_millis(20), |n| {
        // What is left of the first is a third of its life, so it is renewed at once.
        Ok(if n == 0 {
            lasting("old", Duration::from_millis(1_500))
        } else {
            lasting("new", Duration::from_hours(1))
        })
    });
    assert_eq!(credentials.get().await.unwrap().access_key_id(), "old");
    let renewed = async {
        loop {
            let begun = tokio::time::Instant::now();
            let found = credentials.get().await.unwrap();
            if found.access_key_id() == "new" {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("new credentials", renewed).await;
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_in_use() {
    let life = Duration::from_secs(4);
    let (credentials, loads) = told(Duration::ZERO, move |n| match n {
        0 => Ok(lasting("old", life)),
        _ => broken(),
    });
    let old = credentials.get().await.unwrap();
    // A second is kept for a machine that is slow between looking and asking.
    let last = old.expiry().unwrap() - Duration::from_secs(1);
    while SystemTime::now() < last {
        assert_eq!(credentials.get().await.unwrap().access_key_id(), "old");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failed_load_is_remembered_so_that_callers_do_not_storm() {
    let (credentials, loads) = told(Duration::ZERO, |_| broken());
    let begun = std::time::Instant::now();
    let mut asked = 0;
    let mut text = String::new();
    while begun.elapsed() < Duration::from_secs(2) {
        text = credentials.get().await.unwrap_err().to_string();
        asked += 1;
        tokio::task::yield_now().await;
    }
    let loads = loads.load(Ordering::SeqCst);
    assert!(
        (2..=4).contains(&loads),
        "{loads} loads for {asked} callers"
    );
    assert_eq!(
        text,
        "no AWS credentials: an error occurred while loading credentials: STS is down"
    );
}

#[tokio::test]
async fn credentials_come_back_after_a_failure() {
    let (credentials, _) = told(Duration::ZERO, |n| {
        if n == 0 { broken() } else { Ok(keys("a", "b")) }
    });
    credentials.get().await.unwrap_err();
    let back = async {
        while credentials.get().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("credentials", back).await;
}

#[tokio::test]
async fn credentials_that_are_given_expired_are_a_failure() {
    let (credentials, _) = told(Duration::ZERO, |_| {
        let end = SystemTime::now() - Duration::from_secs(1);
        let old = aws_credential_types::Credentials::new("a", "b", None, Some(end), "test");
        Ok(old)
    });
    assert_eq!(
        credentials.get().await.unwrap_err().to_string(),
        "no AWS credentials: the provider gave some that have already expired"
    );
}

#[tokio::test]
async fn a_provider_that_panics_is_a_failure_like_others() {
    let (credentials, _) = told(Duration::ZERO, |_| panic!("a bug of the provider"));
    let error = soon("an end", credentials.get()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no AWS credentials: the credentials provider panicked"
    );
}

#[tokio::test]
async fn rejected_credentials_are_loaded_anew_once_for_all_who_used_them() {
    let (credentials, loads) = told(Duration::ZERO, |n| Ok(keys(&n.to_string(), "b")));
    let first = credentials.get().await.unwrap();
    assert!((0..10).all(|_| credentials.forget(&first)));
    let found = join_all((0..10).map(|_| credentials.get())).await;
    assert!(
        found
            .into_iter()
            .all(|one| one.unwrap().access_key_id() == "1")
    );
    assert!(credentials.forget(&first), "there are others by now");
    assert_eq!(credentials.get().await.unwrap().access_key_id(), "1");
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn credentials_that_are_always_rejected_are_not_loaded_at_every_call() {
    let (credentials, loads) = told(Duration::ZERO, |_| Ok(keys("unknown", "b")));
    let mut forgotten = 0;
    for _ in 0..50 {
        let used = credentials.get().await.unwrap();
        forgotten += u32::from(credentials.forget(&used));
    }
    assert_eq!(forgotten, 1);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

/// The SDK's provider for a role, asking the simulator's STS.
async fn role(stage: &Stage) -> AssumeRoleProvider {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(stage.sim.url())
        .credentials_provider(keys("test", "test"))
        .load()
        .await;
    AssumeRoleProvider::builder(ROLE)
        .session_name("gateway")
        .session_length(Duration::from_mins(15))
        .configure(&config)
        .build()
        .await
}

fn client(stage: &Stage, credentials: Credentials, settings: Settings) -> Client {
    Client::new(
        DataPlane::at(&stage.sim.url()).unwrap(),
        credentials,
        settings,
    )
    .unwrap()
}

#[tokio::test]
async fn session_tokens_of_sts_are_signed_and_expired_ones_renewed_once() {
    let stage = Stage::start().await;
    let credentials = Credentials::new(role(&stage).await);
    let client = client(&stage, credentials.clone(), hasty());
    let first = client
        .invoke(wish(&stage.target, &json!({})))
        .await
        .unwrap();
    assert_eq!((first.status.as_u16(), first.attempts), (200, 1));
    assert!(credentials.get().await.unwrap().session_token().is_some());
    assert_eq!(stage.calls("AssumeRole").await, 1);
    // The service's clock goes ahead of ours: it calls expired what we take for good.
    let ahead = json!({ "advanceSeconds": 901 });
    stage.admin("POST", "clock", ahead).await;
    let calls = (0..5).map(|n| {
        let wished = json!({ "name": format!("renewed-{n}") });
        let client = &client;
        let target = &stage.target;
        async move { client.invoke(wish(target, &wished)).await.unwrap() }
    });
    for answer in join_all(calls).await {
        assert!(answer.attempts <= 2, "{}", answer.attempts);
        read(answer).await;
    }
    assert_eq!(stage.calls("AssumeRole").await, 2);
}

#[tokio::test]
async fn keys_that_aws_does_not_know_are_tried_once_more_and_not_for_ever() {
    let stage = Stage::start().await;
    let (credentials, loads) = told(Duration::ZERO, |_| Ok(keys("unknown", "test")));
    let client = client(&stage, credentials, hasty());
    let begun = std::time::Instant::now();
    for n in 0..20 {
        let failed = client
            .invoke(wish(&stage.target, &json!({})))
            .await
            .unwrap_err();
        let text = failed.to_string();
        assert!(
            text.starts_with("UnrecognizedClientException (403): "),
            "{text}"
        );
        assert!(failed.attempts <= 2 && (n > 0 || failed.attempts == 2));
    }
    // One at first, one for the first rejection, and then one a second at most.
    let most = 2 + begun.elapsed().as_secs();
    assert!(u64::from(loads.load(Ordering::SeqCst)) <= most);
}

#[tokio::test]
async fn keys_that_are_renewed_to_good_ones_go_through() {
    let stage = Stage::start().await;
    let (credentials, _) = told(Duration::ZERO, |n| {
        Ok(keys(if n == 0 { "unknown" } else { "test" }, "test"))
    });
    let client = client(&stage, credentials, hasty());
    let answer = client
        .invoke(wish(&stage.target, &json!({})))
        .await
        .unwrap();
    assert_eq!(answer.attempts, 2);
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let stage = Stage::start().await;
    let (credentials, loads) = told(Duration::ZERO, |_| broken());
    let client = client(&stage, credentials, hasty());
    for _ in 0..20 {
        let failed = client
            .invoke(wish(&stage.target, &json!({})))
            .await
            .unwrap_err();
        assert_eq!((failed.error.reason(), failed.attempts), ("credentials", 0));
    }
    assert_eq!(stage.calls("InvokeAgentRuntime").await, 0);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}
