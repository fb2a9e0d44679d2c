//! Everything that talks to AWS. No other module names a type of the AWS SDK.
//!
//! [`Aws`] holds one client set per region of the account that the credentials belong to. A call goes through [`Control`]: it
//! waits for its token ([`rate_limiter`]), is made once (the SDK's own retries are off, the caller requeues), is told to the
//! [`CallObserver`], and ends in the planner's words (`convert`) or in a classified fault (`classify`). [`inventory`] is the
//! one eye on what changes in AWS.

mod beyond;
mod classify;
mod control;
mod convert;
mod data_plane;
pub mod fair;
mod images;
pub mod inventory;
pub mod observe;
mod operation;
pub mod rate_limiter;
mod streaks;

pub use control::{Control, DesiredEndpoint};
pub use data_plane::DataPlane;
pub use inventory::{Inventory, Trigger, pace};
pub use observe::{Call, CallObserver, Scan, Unobserved};
pub use operation::Operation;
pub use rate_limiter::{DEFAULT_RATE, Priority, RateError, Rates};
pub use streaks::Streaks;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agentcore_invoke::proxy::sdk_client;
use agentcore_invoke::{Client, SetupError};
use agentcore_plan::fault::Fault;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::fair::Tenant;
use control::{Caller, Site};
use rate_limiter::RateLimiter;

use agentcore_cluster::lease::Fence;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for an answer, connection included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a call, the search for credentials included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);

/// Nothing says where to work.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConnectError {
    /// No region was given, and AWS's variables, profile and metadata name none.
    #[error("no AWS region: give --region or set AWS_REGION")]
    NoRegion,
}

/// Whom the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Account, 12 digits.
    pub account: String,
    /// Partition, such as `aws` or `aws-cn`.
    pub partition: String,
    /// ARN of the user or role.
    pub arn: String,
}

/// AWS, as seen with the operator's credentials.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    region: String,
    rates: Rates,
    observer: Observer,
    sites: Mutex<HashMap<String, Kept>>,
    fence: Fence,
    /// Made with the first data plane.
    invoke: OnceLock<Client>,
    images: images::Images,
}

/// Clients and rates of a region, while somebody uses them.
#[derive(Debug)]
struct Kept {
    site: Arc<Site>,
    used: Instant,
}

/// The observer, in a shape that can be printed.
#[derive(Clone)]
struct Observer(Arc<dyn CallObserver>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Aws {
    /// Finds credentials and region by AWS's standard chain: environment, profiles, web identity (IRSA), Pod Identity and ECS,
    /// instance metadata. `AWS_ENDPOINT_URL` and its kin are honoured. `default_region` comes before the chain's.
    ///
    /// Nothing is called yet: credentials are looked for with the first call, which is [`Aws::identity`].
    pub async fn connect(
        rates: Rates,
        observer: Arc<dyn CallObserver>,
        default_region: Option<String>,
    ) -> Result<Self, ConnectError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(sdk_client());
        if let Some(region) = default_region {
            loader = loader.region(Region::new(region));
        }
        Self::with_config(loader.load().await, rates, observer)
    }

    /// Takes credentials, region and endpoint from `config`. Retries and time-outs are this module's own all the same.
    pub fn with_config(
        config: SdkConfig,
        rates: Rates,
        observer: Arc<dyn CallObserver>,
    ) -> Result<Self, ConnectError> {
        let region = config
            .region()
            .map(ToString::to_string)
            .filter(|region| !region.is_empty())
            .ok_or(ConnectError::NoRegion)?;
        Ok(Self {
            config,
            region,
            rates,
            observer: Observer(observer),
            sites: Mutex::default(),
            fence: Fence::open(),
            invoke: OnceLock::new(),
            images: images::Images::default(),
        })
    }

    /// Changes AWS only as long as this fence is open. To be said before anything is called.
    #[must_use]
    pub fn behind(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// Region of objects that name none.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whom the credentials belong to (STS GetCallerIdentity, in the default region).
    pub async fn identity(&self) -> Result<Identity, Fault> {
        self.caller(&self.region).identity(Priority::Urgent).await
    }

    /// AgentCore's control plane in `region`. Calls of one region share their rates, however often this is asked.
    pub fn control(&self, region: &str) -> Control {
        Control::new(self.caller(region))
    }

    /// AgentCore's data plane in `region`, at the address that the environment or the profile names. It shares the rates of
    /// [`Aws::control`].
    ///
    /// # Errors
    /// [`SetupError`]: an address that is none, or no root certificates.
    pub fn data_plane(&self, region: &str) -> Result<DataPlane, SetupError> {
        let client = if let Some(client) = self.invoke.get() {
            client.clone()
        } else {
            let made = Client::from_config(&self.config, data_plane::settings())?;
            self.invoke.get_or_init(|| made).clone()
        };
        Ok(DataPlane::new(self.caller(region), client))
    }

    /// Lets go of the clients of regions that nobody has asked for during `idle`, and of what was seen of repositories and objects that nobody
    /// asks about. It comes back when somebody asks.
    pub fn release(&self, idle: Duration) {
        // Whoever still holds one goes on with the rate that it has: a second one beside it would be twice the rate.
        self.sites
            .lock()
            .retain(|_, kept| Arc::strong_count(&kept.site) > 1 || kept.used.elapsed() < idle);
        self.images.release();
    }

    fn caller(&self, region: &str) -> Caller {
        Caller::new(self.site(region), Tenant::everybody())
    }

    fn site(&self, region: &str) -> Arc<Site> {
        let mut sites = self.sites.lock();
        if let Some(kept) = sites.get_mut(region) {
            kept.used = Instant::now();
            return Arc::clone(&kept.site);
        }
        let config = self
            .config
            .to_builder()
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            )
            .build();
        let site = Arc::new(Site {
            client: aws_sdk_bedrockagentcorecontrol::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            ecr: aws_sdk_ecr::Client::new(&config),
            s3: aws_sdk_s3::Client::new(&config),
            region: region.to_owned(),
            limiter: RateLimiter::new(self.rates.clone()),
            observer: self.observer.clone(),
            fence: self.fence.clone(),
        });
        let kept = Kept {
            site: Arc::clone(&site),
            used: Instant::now(),
        };
        sites.insert(region.to_owned(), kept);
        site
    }
}
