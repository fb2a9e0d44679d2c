//! Where the data plane is: AWS's hosts, or one address for everything.

use std::borrow::Cow;

use url::Url;

use crate::arn::RuntimeArn;

/// Why an address cannot be that of a data plane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataPlaneError {
    /// Not a URL.
    #[error("data plane address is not a URL: {0}")]
    Malformed(url::ParseError),
    /// Neither http nor https.
    #[error("data plane address begins with {0:?}: expected http or https")]
    Scheme(String),
    /// With a user, a query or a fragment, none of which a request could keep.
    #[error(
        "data plane address has a user, a query or a fragment: expected scheme, host, port and path only"
    )]
    Surplus,
}

/// Which hosts requests go to.
#[derive(Debug, Clone)]
pub struct DataPlane(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Aws {
        fips: bool,
    },
    /// Without a slash at its end.
    At(String),
}

impl DataPlane {
    /// AWS's own hosts, by the region and partition of each runtime; with `fips` those with validated cryptography.
    pub fn aws(fips: bool) -> Self {
        Self(Kind::Aws { fips })
    }

    /// One address for the runtimes of all regions: a local AgentCore, or a VPC endpoint. A path is kept before that of requests.
    pub fn at(url: &str) -> Result<Self, DataPlaneError> {
        let url = Url::parse(url).map_err(DataPlaneError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(DataPlaneError::Scheme(url.scheme().to_owned()));
        }
        let user = !url.username().is_empty() || url.password().is_some();
        if user || url.query().is_some() || url.fragment().is_some() {
            return Err(DataPlaneError::Surplus);
        }
        Ok(Self(Kind::At(
            url.as_str().trim_end_matches('/').to_owned(),
        )))
    }

    /// Scheme, host, port and base path of the requests for a runtime, without a slash at the end.
    pub fn origin(&self, arn: &RuntimeArn) -> Cow<'_, str> {
        match &self.0 {
            Kind::At(origin) => Cow::Borrowed(origin),
            Kind::Aws { fips } => {
                let fips = if *fips { "-fips" } else { "" };
                let (region, suffix) = (arn.region(), arn.partition().dns_suffix());
                Cow::Owned(format!("https://bedrock-agentcore{fips}.{region}.{suffix}"))
            }
        }
    }

    /// Whether requests go without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(&self.0, Kind::At(origin) if origin.starts_with("http:"))
    }
}
