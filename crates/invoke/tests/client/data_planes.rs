//! Where requests go: AWS's hosts, other addresses, and what the environment says.

use std::fmt;
use std::sync::Arc;

use agentcore_invoke::{Client, DataPlane, DataPlaneError, Settings, SetupError};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::stage::{keys, nobody};

#[test]
fn aws_hosts_follow_region_partition_and_fips() {
    let origin = |fips, partition: &str, region: &str| {
        let arn =
            format!("arn:{partition}:bedrock-agentcore:{region}:111122223333:runtime/a-0123456789");
        DataPlane::aws(fips)
            .origin(&arn.parse().unwrap())
            .into_owned()
    };
    assert_eq!(
        origin(false, "aws", "us-east-1"),
        "https://bedrock-agentcore.us-east-1.amazonaws.com"
    );
    assert_eq!(
        origin(false, "aws-cn", "cn-north-1"),
        "https://bedrock-agentcore.cn-north-1.amazonaws.com.cn"
    );
    assert_eq!(
        origin(true, "aws-us-gov", "us-gov-west-1"),
        "https://bedrock-agentcore-fips.us-gov-west-1.amazonaws.com"
    );
}

#[test]
fn another_address_keeps_its_port_and_path() {
    let origin = |url: &str| {
        DataPlane::at(url)
            .unwrap()
            .origin(&nobody().arn)
            .into_owned()
    };
    assert_eq!(origin("http://127.0.0.1:4680"), "http://127.0.0.1:4680");
    assert_eq!(
        origin("https://h.example/base/path/"),
        "https://h.example/base/path"
    );
}

#[test]
fn addresses_that_are_none_are_refused_with_the_reason() {
    let refused = |url: &str| DataPlane::at(url).unwrap_err();
    assert_eq!(refused("ftp://h"), DataPlaneError::Scheme("ftp".to_owned()));
    assert_eq!(refused("http://u:p@h"), DataPlaneError::Surplus);
    assert_eq!(refused("http://h/?a=b"), DataPlaneError::Surplus);
    assert_eq!(
        refused("h.example").to_string(),
        "data plane address is not a URL: relative URL without a base"
    );
}

/// What the environment says about this one service.
#[derive(Debug)]
struct Own(&'static str);

impl LoadServiceConfig for Own {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let known = ("Bedrock AgentCore", "AWS_ENDPOINT_URL", "endpoint_url");
        ((key.service_id(), key.env(), key.profile()) == known).then(|| self.0.to_owned())
    }
}

fn config() -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys("test", "test")))
}

/// Where a client from this configuration goes, as it shows itself; `None` where there is none.
fn goes_to(config: &SdkConfig) -> Result<String, SetupError> {
    Client::from_config(config, Settings::default()).map(|client| format!("{client:?}"))
}

#[tokio::test]
async fn the_service_s_own_address_wins_over_the_general_one() {
    let both = config()
        .endpoint_url("http://general:1")
        .service_config(Own("http://own:2"))
        .build();
    assert!(goes_to(&both).unwrap().contains("http://own:2"));
    let general = config().endpoint_url("http://general:1").build();
    assert!(goes_to(&general).unwrap().contains("http://general:1"));
}

#[tokio::test]
async fn what_excludes_each_other_or_is_missing_is_said() {
    let fips = config()
        .endpoint_url("http://general:1")
        .use_fips(true)
        .build();
    assert!(matches!(goes_to(&fips), Err(SetupError::FipsWithEndpoint)));
    let bad = config().endpoint_url("general").build();
    assert!(matches!(goes_to(&bad), Err(SetupError::DataPlane(_))));
    let nobody = SdkConfig::builder()
        .endpoint_url("http://general:1")
        .build();
    assert!(matches!(goes_to(&nobody), Err(SetupError::NoCredentials)));
}

/// Clients are shared between tasks.
#[test]
fn a_client_may_go_anywhere() {
    fn shared<T: Send + Sync + Clone + fmt::Debug>() {}
    shared::<Client>();
    shared::<Arc<agentcore_invoke::RuntimeArn>>();
}
