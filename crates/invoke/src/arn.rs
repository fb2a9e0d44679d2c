//! ARNs of runtimes, taken apart once and kept in the form that URLs need.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::escape::escape;

/// A family of regions that share a DNS suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Partition {
    /// The commercial regions.
    Aws,
    /// The regions in China.
    AwsCn,
    /// AWS GovCloud (US).
    AwsUsGov,
}

impl Partition {
    /// What the names of its hosts end in.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::AwsUsGov => "amazonaws.com",
            Self::AwsCn => "amazonaws.com.cn",
        }
    }
}

/// What is wrong with an ARN, part by part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not six parts, or the first is not `arn`.
    #[error(
        "not a runtime ARN: expected arn:PARTITION:bedrock-agentcore:REGION:ACCOUNT:runtime/ID"
    )]
    Shape,
    /// A partition that is not known.
    #[error("partition {0:?} of the ARN: expected aws, aws-cn or aws-us-gov")]
    Partition(String),
    /// Another service.
    #[error("service {0:?} of the ARN: expected bedrock-agentcore")]
    Service(String),
    /// Not a region's name.
    #[error("region {0:?} of the ARN: expected a region such as us-east-1")]
    Region(String),
    /// Not an account.
    #[error("account {0:?} of the ARN: expected 12 digits")]
    Account(String),
    /// Not a runtime, or one with an endpoint or a version behind it.
    #[error("resource {0:?} of the ARN: expected runtime/ID")]
    Resource(String),
    /// The id is not one that AWS gives.
    #[error(
        "runtime id {0:?} of the ARN: expected a letter, up to 99 letters, digits or underscores, a hyphen and 10 letters or digits"
    )]
    Id(String),
}

/// Longest part of a bad ARN that an error repeats.
const SHOWN: usize = 64;

/// An ARN of a runtime: `arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-AbCdEfGhIj`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RuntimeArn {
    text: Arc<str>,
    escaped: Arc<str>,
    partition: Partition,
    region: (usize, usize),
    account: (usize, usize),
    id: usize,
}

impl RuntimeArn {
    /// The partition that the runtime is in.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The region that the runtime is in.
    pub fn region(&self) -> &str {
        &self.text[self.region.0..self.region.1]
    }

    /// The account that owns the runtime: 12 digits.
    pub fn account(&self) -> &str {
        &self.text[self.account.0..self.account.1]
    }

    /// The runtime's id, as other operations take it.
    pub fn id(&self) -> &str {
        &self.text[self.id..]
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole ARN as one segment of a path.
    pub(crate) fn escaped(&self) -> &str {
        &self.escaped
    }
}

impl FromStr for RuntimeArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(ArnError::Shape);
        let (arn, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        if arn != "arn" {
            return Err(ArnError::Shape);
        }
        let partition = match partition {
            "aws" => Partition::Aws,
            "aws-cn" => Partition::AwsCn,
            "aws-us-gov" => Partition::AwsUsGov,
            other => return Err(ArnError::Partition(shown(other))),
        };
        if service != "bedrock-agentcore" {
            return Err(ArnError::Service(shown(service)));
        }
        // The region becomes part of a host's name: nothing may pass that could name another host.
        if !is_region(region) {
            return Err(ArnError::Region(shown(region)));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ArnError::Account(shown(account)));
        }
        let Some(id) = resource.strip_prefix("runtime/") else {
            return Err(ArnError::Resource(shown(resource)));
        };
        if !is_id(id) {
            return Err(ArnError::Id(shown(id)));
        }
        let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        Ok(Self {
            text: text.into(),
            escaped: escape(text).to_string().into(),
            partition,
            region: (offset(region), offset(region) + region.len()),
            account: (offset(account), offset(account) + account.len()),
            id: offset(id),
        })
    }
}

impl fmt::Display for RuntimeArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RuntimeArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuntimeArn({})", self.text)
    }
}

fn shown(part: &str) -> String {
    part.chars().take(SHOWN).collect()
}

/// `us-east-1`, `us-gov-west-1`: two letters, words, a number.
fn is_region(region: &str) -> bool {
    let words: Vec<&str> = region.split('-').collect();
    let [area, middle @ .., number] = words.as_slice() else {
        return false;
    };
    let lower = |word: &&str| {
        !word.is_empty() && word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    area.len() == 2
        && lower(area)
        && (1..=3).contains(&middle.len())
        && middle.iter().all(lower)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_id(id: &str) -> bool {
    let Some((name, suffix)) = id.rsplit_once('-') else {
        return false;
    };
    name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && suffix.len() == 10
        && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
