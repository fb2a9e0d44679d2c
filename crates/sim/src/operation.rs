//! The operations of all services under AWS's names, and how a request is told to be one of them.

use std::fmt;
use std::str::FromStr;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::wire::errors::Protocol;

/// A service behind the one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// `bedrock-agentcore-control`: runtimes, endpoints, tags, policies.
    Control,
    /// `bedrock-agentcore`: invocations and sessions.
    Data,
    /// Elastic Container Registry.
    Ecr,
    /// Security Token Service.
    Sts,
    /// Simple Storage Service.
    S3,
    /// CloudWatch Logs.
    Logs,
}

impl Service {
    /// The service name that a signature's credential scope must carry.
    pub fn signing_name(self) -> &'static str {
        match self {
            // Control and data plane share one signing name.
            Self::Control | Self::Data => "bedrock-agentcore",
            Self::Ecr => "ecr",
            Self::Sts => "sts",
            Self::S3 => "s3",
            Self::Logs => "logs",
        }
    }

    /// How the service speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Control | Self::Data => Protocol::RestJson,
            Self::Ecr | Self::Logs => Protocol::Json11,
            Self::Sts | Self::S3 => Protocol::Query,
        }
    }
}

macro_rules! operations {
    ($($name:ident: $service:ident),* $(,)?) => {
        /// An operation, named as in AWS. The key of faults, counters and throttles.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name as AWS writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The service it belongs to.
            pub fn service(self) -> Service {
                match self { $(Self::$name => Service::$service,)* }
            }
        }
    };
}

operations! {
    CreateAgentRuntime: Control,
    GetAgentRuntime: Control,
    UpdateAgentRuntime: Control,
    DeleteAgentRuntime: Control,
    ListAgentRuntimes: Control,
    ListAgentRuntimeVersions: Control,
    CreateAgentRuntimeEndpoint: Control,
    GetAgentRuntimeEndpoint: Control,
    UpdateAgentRuntimeEndpoint: Control,
    DeleteAgentRuntimeEndpoint: Control,
    ListAgentRuntimeEndpoints: Control,
    TagResource: Control,
    UntagResource: Control,
    ListTagsForResource: Control,
    PutResourcePolicy: Control,
    GetResourcePolicy: Control,
    DeleteResourcePolicy: Control,
    InvokeAgentRuntime: Data,
    InvokeAgentRuntimeWithWebSocketStream: Data,
    GetAgentCard: Data,
    InvokeAgentRuntimeCommand: Data,
    StopRuntimeSession: Data,
    DescribeImages: Ecr,
    BatchGetImage: Ecr,
    DescribeRepositories: Ecr,
    GetDownloadUrlForLayer: Ecr,
    GetCallerIdentity: Sts,
    AssumeRole: Sts,
    AssumeRoleWithWebIdentity: Sts,
    HeadObject: S3,
    FilterLogEvents: Logs,
    DescribeLogGroups: Logs,
    DescribeLogStreams: Logs,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|op| op.name() == name)
            .ok_or_else(|| format!("unknown operation {name}"))
    }
}

/// A request that was told to be an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which operation.
    pub operation: Operation,
    /// Percent-decoded path parameters in order: runtime id, endpoint name, or resource ARN.
    pub params: Vec<String>,
}

impl Route {
    /// The n-th path parameter; empty when the path has none.
    pub fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }
}

/// Which operation a request of the AgentCore planes asks for, by method and raw path. `None` for none that exists.
pub fn route_rest(method: &Method, raw_path: &str) -> Option<Route> {
    use Operation as Op;
    let segments: Vec<&str> = raw_path
        .strip_prefix('/')?
        .trim_end_matches('/')
        .split('/')
        .collect();
    let (operation, params): (Op, Vec<&str>) = match (method.as_str(), segments.as_slice()) {
        ("PUT", ["runtimes"]) => (Op::CreateAgentRuntime, vec![]),
        ("POST", ["runtimes"]) => (Op::ListAgentRuntimes, vec![]),
        ("GET", ["runtimes", id]) => (Op::GetAgentRuntime, vec![*id]),
        ("PUT", ["runtimes", id]) => (Op::UpdateAgentRuntime, vec![*id]),
        ("DELETE", ["runtimes", id]) => (Op::DeleteAgentRuntime, vec![*id]),
        ("POST", ["runtimes", id, "versions"]) => (Op::ListAgentRuntimeVersions, vec![*id]),
        ("PUT", ["runtimes", id, "runtime-endpoints"]) => {
            (Op::CreateAgentRuntimeEndpoint, vec![*id])
        }
        ("POST", ["runtimes", id, "runtime-endpoints"]) => {
            (Op::ListAgentRuntimeEndpoints, vec![*id])
        }
        ("GET", ["runtimes", id, "runtime-endpoints", name]) => {
            (Op::GetAgentRuntimeEndpoint, vec![*id, *name])
        }
        ("PUT", ["runtimes", id, "runtime-endpoints", name]) => {
            (Op::UpdateAgentRuntimeEndpoint, vec![*id, *name])
        }
        ("DELETE", ["runtimes", id, "runtime-endpoints", name]) => {
            (Op::DeleteAgentRuntimeEndpoint, vec![*id, *name])
        }
        // An ARN holds slashes, and some clients leave them as they are.
        ("POST", ["tags", arn @ ..]) => return joined(Op::TagResource, arn),
        ("DELETE", ["tags", arn @ ..]) => return joined(Op::UntagResource, arn),
        ("GET", ["tags", arn @ ..]) => return joined(Op::ListTagsForResource, arn),
        ("PUT", ["resourcepolicy", arn @ ..]) => return joined(Op::PutResourcePolicy, arn),
        ("GET", ["resourcepolicy", arn @ ..]) => return joined(Op::GetResourcePolicy, arn),
        ("DELETE", ["resourcepolicy", arn @ ..]) => return joined(Op::DeleteResourcePolicy, arn),
        ("POST", ["runtimes", arn @ .., "invocations"]) => {
            return joined(Op::InvokeAgentRuntime, arn);
        }
        ("POST", ["runtimes", arn @ .., "commands"]) => {
            return joined(Op::InvokeAgentRuntimeCommand, arn);
        }
        ("GET", ["runtimes", arn @ .., "ws"]) => {
            return joined(Op::InvokeAgentRuntimeWithWebSocketStream, arn);
        }
        (
            "GET",
            [
                "runtimes",
                arn @ ..,
                "invocations",
                ".well-known",
                "agent-card.json",
            ],
        ) => {
            return joined(Op::GetAgentCard, arn);
        }
        ("POST", ["runtimes", arn @ .., "stopruntimesession"]) => {
            return joined(Op::StopRuntimeSession, arn);
        }
        _ => return None,
    };
    Some(Route {
        operation,
        params: params.into_iter().map(decode).collect(),
    })
}

fn joined(operation: Operation, segments: &[&str]) -> Option<Route> {
    let whole = decode(&segments.join("/"));
    (!whole.is_empty()).then(|| Route {
        operation,
        params: vec![whole],
    })
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The operation of ECR or CloudWatch Logs in an `X-Amz-Target` header.
pub fn route_target(target: &str) -> Option<Route> {
    let (api, name) = target.split_once('.')?;
    let service = match api {
        "AmazonEC2ContainerRegistry_V20150921" => Service::Ecr,
        "Logs_20140328" => Service::Logs,
        _ => return None,
    };
    let operation = name
        .parse()
        .ok()
        .filter(|op: &Operation| op.service() == service)?;
    Some(Route {
        operation,
        params: Vec::new(),
    })
}

/// The STS operation of an `Action` parameter.
pub fn route_action(action: &str) -> Option<Route> {
    let operation = action
        .parse()
        .ok()
        .filter(|op: &Operation| op.service() == Service::Sts)?;
    Some(Route {
        operation,
        params: Vec::new(),
    })
}
