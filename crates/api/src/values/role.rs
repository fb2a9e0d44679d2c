//! ARNs of IAM roles.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;

use super::Arn;
use crate::limits::{ROLE_ARN_MAX, ROLE_ARN_PATTERN};

static ROLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(ROLE_ARN_PATTERN).expect("the pattern is a constant that tests use")
});

/// ARN of an IAM role, `arn:<partition>:iam::<account>:role<path><name>`.
///
/// Its text form ([`fmt::Display`]) is what was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn {
    /// `aws`, `aws-cn`, `aws-us-gov` ...
    pub partition: String,
    /// Account, 12 digits. The AgentCore API takes ARNs without one.
    pub account: Option<String>,
    /// Path, from slash to slash: `/` or `/agentcore/team-a/`.
    pub path: String,
    /// Name of the role.
    pub name: String,
}

/// Why a text is not the ARN of a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum RoleArnError {
    /// It is longer than 2048 characters.
    #[error("role ARN is longer than {ROLE_ARN_MAX} characters")]
    TooLong,
    /// It is not `arn:aws:iam::<account>:role/<path and name>`.
    #[error("role ARN must look like arn:aws:iam::111122223333:role/path/name")]
    Form,
}

impl RoleArn {
    /// Reads the ARN of a role, at most 2048 characters.
    pub fn parse(text: &str) -> Result<Self, RoleArnError> {
        if text.len() > ROLE_ARN_MAX {
            return Err(RoleArnError::TooLong);
        }
        if !ROLE.is_match(text) {
            return Err(RoleArnError::Form);
        }
        let arn = Arn(text);
        let partition = arn.partition().ok_or(RoleArnError::Form)?.to_owned();
        let account = arn.account().map(str::to_owned);
        let full = arn
            .resource()
            .and_then(|resource| resource.strip_prefix("role"))
            .ok_or(RoleArnError::Form)?;
        let (path, name) = full.split_at(full.rfind('/').ok_or(RoleArnError::Form)? + 1);
        if name.is_empty() {
            return Err(RoleArnError::Form);
        }
        Ok(Self {
            partition,
            account,
            path: path.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl FromStr for RoleArn {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            account,
            path,
            name,
        } = self;
        write!(
            out,
            "arn:{partition}:iam::{}:role{path}{name}",
            account.as_deref().unwrap_or_default()
        )
    }
}
