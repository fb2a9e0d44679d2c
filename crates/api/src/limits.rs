//! Patterns and limits of the AgentCore API that the schema and the value types share.
//!
//! The API model writes its patterns without anchors and means the whole value; here they are anchored.

/// Name of a runtime or an endpoint (AgentCore API: `AgentRuntimeName`, `EndpointName`).
pub const NAME_PATTERN: &str = "^[a-zA-Z][a-zA-Z0-9_]{0,47}$";
/// Most characters of a runtime's or an endpoint's name.
pub const NAME_MAX: usize = 48;
/// Image of a container artifact (AgentCore API: `RuntimeContainerUri`, with tag and digest as Amazon ECR writes them).
pub const IMAGE_PATTERN: &str = r"^(([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?|public\.ecr\.aws)/((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)(?::([a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}))?(?:@([a-zA-Z0-9_+.-]+:[a-fA-F0-9]+))?$";
/// Most characters of an image.
pub const IMAGE_MAX: usize = 1024;
/// ARN of an IAM role (AgentCore API: `RoleArn`).
pub const ROLE_ARN_PATTERN: &str = "^arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+$";
/// Most characters of a role's ARN.
pub const ROLE_ARN_MAX: usize = 2048;
/// A duration: hours, minutes and seconds in this order, whole numbers, each at most once.
pub const DURATION_PATTERN: &str = "^([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$";
/// Shortest idle time-out and lifetime in seconds (AgentCore API: `LifecycleConfiguration`).
pub const LIFECYCLE_MIN_SECONDS: u32 = 60;
/// Longest idle time-out and lifetime in seconds: 336 hours (AgentCore API: `LifecycleConfiguration`).
pub const LIFECYCLE_MAX_SECONDS: u32 = 1_209_600;
/// Lifetime in seconds when the spec gives none (AgentCore: 8 hours).
pub const DEFAULT_MAX_LIFETIME_SECONDS: u32 = 28_800;
/// Idle time-out in seconds when the spec gives none (AgentCore: 15 minutes).
pub const DEFAULT_IDLE_SECONDS: u32 = 900;
