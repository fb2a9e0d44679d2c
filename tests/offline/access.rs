//! Who we are, where we work, and what happens when nobody knows.

use std::sync::Arc;

use agentcore_aws::{Aws, ConnectError, Priority, Rates, Unobserved};
use agentcore_plan::fault::{Class, Fault};
use aws_config::{BehaviorVersion, SdkConfig};

use super::support::{REGION, World, credentials, quick, sdk_config};

fn client(url: &str, id: &str, secret: &str) -> Aws {
    let config = sdk_config(url, credentials(id, secret));
    Aws::with_config(config, Rates::default(), Arc::new(Unobserved)).expect("a region")
}

#[tokio::test]
async fn the_identity_is_the_credentials_account() {
    let world = World::start(quick()).await;
    let identity = world.aws.identity().await.expect("an answer");
    assert_eq!(
        (identity.account.as_str(), identity.partition.as_str()),
        ("111122223333", "aws")
    );
    assert!(identity.arn.starts_with("arn:aws:"), "{identity:?}");
}

#[tokio::test]
async fn unknown_keys_and_wrong_secrets_are_denied() {
    let world = World::start(quick()).await;
    let url = world.sim.url();
    for (id, secret) in [("nobody", "test"), ("test", "wrong")] {
        let aws = client(&url, id, secret);
        let fault: Fault = aws
            .control(REGION)
            .list_runtimes(Priority::Urgent)
            .await
            .expect_err("refused");
        assert_eq!(fault.class, Class::Denied, "{fault:?}");
        let fault = aws.identity().await.expect_err("refused");
        assert_eq!(fault.class, Class::Denied, "{fault:?}");
    }
}

#[tokio::test]
async fn regions_are_worlds_of_their_own() {
    let world = World::start(quick()).await;
    world.create("support").await;
    assert_eq!(
        world
            .control()
            .list_runtimes(Priority::Urgent)
            .await
            .expect("a list")
            .len(),
        1
    );
    let elsewhere = world.aws.control("eu-central-1");
    assert_eq!(elsewhere.region(), "eu-central-1");
    assert_eq!(
        elsewhere
            .list_runtimes(Priority::Urgent)
            .await
            .expect("a list")
            .len(),
        0
    );
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_transient() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let fault = client(&format!("http://{address}"), "test", "test")
        .identity()
        .await
        .expect_err("refused");
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Transient, "Dispatch"),
        "{fault:?}"
    );
}

#[test]
fn without_a_region_there_is_no_start() {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .build();
    let refused =
        Aws::with_config(config, Rates::default(), Arc::new(Unobserved)).expect_err("no region");
    assert_eq!(refused, ConnectError::NoRegion);
}
