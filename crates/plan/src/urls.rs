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
