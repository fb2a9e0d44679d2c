//! Settings that belong together: as slow as AWS was seen to be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A set of settings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Platform V1 in the times of AWS.
    V1,
    /// Platform V2 in the times of AWS: minutes until a version is READY, and its agent is started for that.
    V2,
    /// Platform V2 with a second for a minute.
    V2Small,
}

/// Times of V2, in milliseconds. Reports of runs against AWS, autumn 2026: READY after 3 minutes with PUBLIC and 527 s in a VPC, endpoints after
/// minutes, deletions of an endpoint and a runtime 3 and 4 to 5 minutes, stops 11 s, first answers 2 s.
const V2: &[(&str, u64)] = &[
    ("createDelayMs", 180_000),
    ("updateDelayMs", 180_000),
    ("vpcDelayMs", 347_000),
    ("endpointDelayMs", 120_000),
    ("deleteDelayMs", 270_000),
    ("endpointDeleteDelayMs", 180_000),
    ("stopDelayMs", 11_000),
    ("coldStartMs", 2_000),
];
/// What V1 has otherwise: READY after 6 to 10 s, in a VPC too, first answers 0.6 s.
const V1: &[(&str, u64)] = &[
    ("createDelayMs", 8_000),
    ("updateDelayMs", 8_000),
    ("vpcDelayMs", 0),
    ("endpointDelayMs", 1_000),
    ("coldStartMs", 600),
];
/// Real milliseconds in a small one.
const SMALL: u64 = 60;

impl Profile {
    /// The settings, by their names in JSON.
    pub fn members(self) -> Map<String, Value> {
        let (platform, divisor) = match self {
            Self::V1 => ("V1", 1),
            Self::V2 => ("V2", 1),
            Self::V2Small => ("V2", SMALL),
        };
        let own: &[(&str, u64)] = if self == Self::V1 { V1 } else { &[] };
        let times = V2.iter().chain(own);
        let mut members: Map<_, _> = times
            .map(|(name, ms)| ((*name).to_owned(), json!(ms / divisor)))
            .collect();
        members.insert("defaultPlatformVersion".to_owned(), json!(platform));
        members.insert("snapshots".to_owned(), json!(platform == "V2"));
        members
    }
}
