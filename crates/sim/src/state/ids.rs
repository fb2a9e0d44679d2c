//! Random ids, reproducible by seed, and ARNs.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPERCASE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `length` random letters and digits.
pub fn alphanumeric(rng: &mut StdRng, length: usize) -> String {
    pick(rng, ALPHANUMERIC, length)
}

/// `length` random characters as in AWS's access key ids.
pub fn key_characters(rng: &mut StdRng, length: usize) -> String {
    pick(rng, UPPERCASE, length)
}

fn pick(rng: &mut StdRng, from: &[u8], length: usize) -> String {
    (0..length)
        .filter_map(|_| from.choose(rng).map(|byte| char::from(*byte)))
        .collect()
}

/// The partition of a region: `aws`, `aws-cn` or `aws-us-gov`.
pub fn aws_partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// ARN of a resource of AgentCore.
pub fn arn(account: &str, region: &str, resource: &str) -> String {
    format!(
        "arn:{}:bedrock-agentcore:{region}:{account}:{resource}",
        aws_partition(region)
    )
}
