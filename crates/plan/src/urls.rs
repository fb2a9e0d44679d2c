//! Addresses of the data plane.

use std::fmt::Write;

/// Address of `InvokeAgentRuntime` for a runtime and a qualifier (an endpoint's name).
pub fn invocation(partition: &str, region: &str, arn: &str, qualifier: &str) -> String {
    format!(
        "https://{}/runtimes/{}/invocations?qualifier={}",
        host(partition, region),
        escaped(arn),
        escaped(qualifier)
    )
}

/// Address of the WebSocket for a runtime and a qualifier.
pub fn web_socket(partition: &str, region: &str, arn: &str, qualifier: &str) -> String {
    format!(
        "wss://{}/runtimes/{}/ws?qualifier={}",
        host(partition, region),
        escaped(arn),
        escaped(qualifier)
    )
}

fn host(partition: &str, region: &str) -> String {
    let suffix = if partition == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("bedrock-agentcore.{region}.{suffix}")
}

/// The part of an ARN at this place: 1 is the partition, 3 the region, 4 the account.
pub fn arn_part(arn: &str, place: usize) -> Option<&str> {
    arn.split(':').nth(place).filter(|part| !part.is_empty())
}

/// The id in a runtime's ARN, or in that of one of its endpoints.
pub fn runtime_id(arn: &str) -> Option<&str> {
    let resource = arn.split(':').nth(5)?.strip_prefix("runtime/")?;
    resource.split('/').next().filter(|id| !id.is_empty())
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
        out
    })
}
