use std::sync::Arc;

use agentcore_sim::{Config, Settings, Sim};
use aws_config::{BehaviorVersion, Region as AwsRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::*;
use agentcore_aws::{Rates, Unobserved};

const REGION: &str = "us-east-1";

async fn regions() -> (Sim, Regions) {
    let sim = Sim::start(Config {
        settings: Settings {
            rate_per_second: 0,
            ..Settings::default()
        },
        ..Config::default()
    });
    let sim = sim.await.expect("a free port");
    let credentials = Credentials::new("controller", "controller", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(AwsRegion::new(REGION))
        .endpoint_url(sim.url())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let rates = [("ListAgentRuntimes".to_owned(), 1000.0)];
    let rates = Rates::new(rates).expect("a good rate");
    let aws = Aws::with_config(config, rates, Arc::new(Unobserved)).expect("a region");
    (sim, Regions::new(aws))
}

async fn lists(sim: &Sim) -> u64 {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client");
    let calls = client.get(format!("{}/_sim/calls", sim.url()));
    let calls = calls.send().await.expect("the simulator answers");
    let calls: serde_json::Value = calls.json().await.expect("JSON");
    calls["byOperation"]["ListAgentRuntimes"]
        .as_u64()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_region_that_no_object_names_is_listed_no_more_and_comes_back_when_one_does() {
    let (sim, regions) = regions().await;
    let polled = Arc::downgrade(&regions.get(REGION).await.inventory);
    let named = BTreeSet::from([REGION.to_owned()]);
    let begun = Instant::now();
    regions.release(&BTreeSet::new(), begun).await;
    regions.release(&named, begun + LINGER).await;
    regions.release(&BTreeSet::new(), begun + LINGER).await;
    let almost = begun + 2 * LINGER - Duration::from_millis(1);
    regions.release(&BTreeSet::new(), almost).await;
    assert!(polled.upgrade().is_some(), "named not so long ago");
    regions.release(&BTreeSet::new(), begun + 2 * LINGER).await;
    assert!(polled.upgrade().is_none(), "nobody polls");
    assert!(regions.cells.lock().is_empty());
    assert_eq!(lists(&sim).await, 1);
    regions.get(REGION).await;
    assert!(lists(&sim).await > 1, "listed again");
}

#[tokio::test]
async fn a_region_that_a_pass_is_at_stays() {
    let (_sim, regions) = regions().await;
    let pass = regions.get(REGION).await;
    let begun = Instant::now();
    regions.release(&BTreeSet::new(), begun).await;
    regions.release(&BTreeSet::new(), begun + LINGER).await;
    assert!(Arc::ptr_eq(&pass, &regions.get(REGION).await));
    drop(pass);
    regions.release(&BTreeSet::new(), begun + LINGER).await;
    assert!(regions.cells.lock().is_empty());
}
