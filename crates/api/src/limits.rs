//! Patterns and limits of the AgentCore API that the schema and the value types share.
//!
//! The API model writes its patterns without anchors and means the whole value; here they are anchored.

/// Name of a runtime or an endpoint (AgentCore API: `AgentRuntimeName`, `EndpointName`).
pub const NAME_PATTERN: &str = "^[a-zA-Z][a-zA-Z0-9_]{0,47}$";
/// Most characters of a runtime's or an endpoint's name.
pub const NAME_MAX: usize = 48;
/// Form of the names that are derived for runtimes of AgentRuntimes without `spec.runtimeName`; no spec may choose such a name.
pub const RESERVED_NAME_PATTERN: &str = "^c[0-9a-f]{18}_";
/// Image of a container artifact (AgentCore API: `RuntimeContainerUri`, with tag and digest as Amazon ECR writes them).
pub const IMAGE_PATTERN: &str = r"^(([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?|public\.ecr\.aws)/((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)(?::([a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}))?(?:@([a-zA-Z0-9_+.-]+:[a-fA-F0-9]+))?$";
/// Most characters of an image.
pub const IMAGE_MAX: usize = 1024;
/// Tag of an image (Amazon ECR).
pub const TAG_PATTERN: &str = "^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}$";
/// Most characters of a tag.
pub const TAG_MAX: usize = 300;
/// Digest of an image.
pub const DIGEST_PATTERN: &str = "^sha256:[a-f0-9]{64}$";
/// A tag or a digest.
pub const PIN_PATTERN: &str = "^([a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}|sha256:[a-f0-9]{64})$";
/// Most characters of a regular expression.
pub const REGEX_MAX: usize = 256;
/// ARN of an IAM role (AgentCore API: `RoleArn`, and a name after the last slash).
pub const ROLE_ARN_PATTERN: &str = r"^arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.*[^/\s]$";
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
/// Idle time in seconds after which a stale session is stopped when the spec gives none.
pub const DEFAULT_DRAIN_IDLE_SECONDS: u32 = 60;
/// Time in seconds after a roll at which a stale session is stopped whatever it does, when the spec gives none.
pub const DEFAULT_DRAIN_DEADLINE_SECONDS: u32 = 3600;
/// Lowest port of an agent (AgentCore API: `ServerPort`, `Port`).
pub const PORT_MIN: i32 = 8000;
/// Highest port of an agent (AgentCore API: `ServerPort`, `Port`).
pub const PORT_MAX: i32 = 12_000;
/// Path of invocations (AgentCore API: `ServerPath`).
pub const PATH_PATTERN: &str = r"^/[A-Za-z0-9\-._~/%]*$";
/// AWS region, such as `us-east-1` or `us-gov-west-1`.
pub const REGION_PATTERN: &str = "^[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}$";
/// Id of a runtime (AgentCore API: `AgentRuntimeId`).
pub const RUNTIME_ID_PATTERN: &str = "^[a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10}$";
/// Version that an endpoint serves: `Latest`, or a version number (AgentCore API: `AgentRuntimeVersion`).
pub const ENDPOINT_VERSION_PATTERN: &str = "^(Latest|[1-9][0-9]{0,4})$";
/// Name of a Kubernetes object (DNS subdomain, RFC 1123).
pub const OBJECT_NAME_PATTERN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// S3 bucket (AgentCore API: `S3LocationBucketString`).
pub const BUCKET_PATTERN: &str = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$";
/// Subnet (AgentCore API: `SubnetId`).
pub const SUBNET_PATTERN: &str = "^subnet-[0-9a-zA-Z]{8,17}$";
/// Security group of a runtime (AgentCore API: `SecurityGroupId`).
pub const SECURITY_GROUP_PATTERN: &str = "^sg-[0-9a-zA-Z]{8,17}$";
/// Security group of a private endpoint (AgentCore API: `SecurityGroupIdentifier`).
pub const ENDPOINT_SECURITY_GROUP_PATTERN: &str = "^sg-(([0-9a-z]{8})|([0-9a-z]{17}))$";
/// VPC (AgentCore API: `VpcIdentifier`).
pub const VPC_PATTERN: &str = "^vpc-(([0-9a-z]{8})|([0-9a-z]{17}))$";
/// Capacity provider (AgentCore API: `CapacityProviderArn`).
pub const CAPACITY_PROVIDER_PATTERN: &str = "^arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:capacity-provider/[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}$";
/// Name of a request header (AgentCore API: `HeaderName`).
pub const HEADER_PATTERN: &str = "^[A-Za-z][A-Za-z0-9_-]{0,255}$";
/// Request headers, in lower case, that AgentCore passes on for nobody (AWS's Python SDK bedrock-agentcore 1.25.0, `RESTRICTED_HEADERS`). Nor does
/// it pass on what begins with `x-amz`, for which there is a rule of its own.
pub const RESTRICTED_HEADERS: &[&str] = &[
    "accept",
    "accept-ch",
    "accept-ch-lifetime",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "cf-connecting-ip",
    "cf-ray",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cookie",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "downlink",
    "dpr",
    "ect",
    "etag",
    "expect-ct",
    "expires",
    "feature-policy",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "origin",
    "permissions-policy",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "public-key-pins",
    "public-key-pins-report-only",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "rtt",
    "save-data",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "viewport-width",
    "width",
    "www-authenticate",
    "x-cache",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-content-type-options",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-original-host",
    "x-original-url",
    "x-originating-ip",
    "x-real-ip",
    "x-requested-with",
    "x-rewrite-url",
    "x-served-by",
    "x-source-ip",
    "x-xss-protection",
];
/// Platform version (AgentCore API: `PlatformVersion`).
pub const PLATFORM_VERSION_PATTERN: &str = r"^[^\s]+$";
/// Mount path (AgentCore API: `MountPath`).
pub const MOUNT_PATH_PATTERN: &str = "^/mnt/[a-zA-Z0-9._-]+/?$";
/// S3 Files access point (AgentCore API: `S3FilesAccessPointArn`).
pub const S3_FILES_ACCESS_POINT_PATTERN: &str = "^arn:aws[-a-z]*:s3files:[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}$";
/// EFS access point (AgentCore API: `EfsAccessPointArn`).
pub const EFS_ACCESS_POINT_PATTERN: &str =
    "^arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:access-point/fsap-[0-9a-f]{8,40}$";
/// Prefix of a mounted bucket, with `{runtimeSessionId}` for the session (AgentCore API: `S3BucketMountConfigurationPrefixString`).
/// `\x27` is the apostrophe, which would end the text in a rule.
pub const MOUNT_PREFIX_PATTERN: &str = r"^[a-zA-Z0-9{][a-zA-Z0-9!_.*\x27()/{}-]*$";
/// AWS account.
pub const ACCOUNT_PATTERN: &str = "^[0-9]{12}$";
/// Object that holds a certificate (AgentCore API: `CertificateS3Uri`, and S3's form of a bucket).
pub const CERTIFICATE_URI_PATTERN: &str = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$";
/// Secret that holds a certificate (AgentCore API: `CertificateSecretArn`).
pub const CERTIFICATE_SECRET_PATTERN: &str =
    "^arn:aws(-[^:]+)?:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$";
/// Most memory in MiB that can be asked for: one TiB. The AgentCore API names no limit.
pub const MEMORY_MAX_MIB: i32 = 1_048_576;
/// Path of a hook (AgentCore API: `LifecycleHookPath`).
pub const HOOK_PATH_PATTERN: &str = "^/[A-Za-z0-9._~/-]*$";
/// Volume of a capacity provider (AgentCore API: `CapacityProviderVolumeName`).
pub const VOLUME_NAME_PATTERN: &str = "^[a-zA-Z][a-zA-Z0-9_-]{0,47}$";
/// Issuer's metadata document (AgentCore API: `DiscoveryUrl`), https only.
pub const DISCOVERY_URL_PATTERN: &str = r"^https://[^\s?#]+/\.well-known/(openid-configuration|oauth-authorization-server)(/[^\s?#]+)?$";
/// OAuth scope (AgentCore API: `AllowedScopeType`).
pub const SCOPE_PATTERN: &str = r"^[\x21\x23-\x5B\x5D-\x7E]+$";
/// Name of a claim (AgentCore API: `InboundTokenClaimNameType`).
pub const CLAIM_NAME_PATTERN: &str = "^[A-Za-z0-9_.-:]+$";
/// Value of a claim (AgentCore API: `MatchValueString`).
pub const CLAIM_VALUE_PATTERN: &str = "^[A-Za-z0-9_.-]+$";
/// VPC Lattice resource configuration (AgentCore API: `ResourceConfigurationIdentifier`).
pub const LATTICE_PATTERN: &str = r"^((rcfg-[0-9a-z]{17})|(arn:[a-z0-9\-]+:vpc-lattice:[a-zA-Z0-9\-]+:\d{12}:resourceconfiguration/rcfg-[0-9a-z]{17}))$";
/// Name of a workload identity (AgentCore API: `WorkloadIdentityNameType`).
pub const WORKLOAD_IDENTITY_PATTERN: &str = "^[A-Za-z0-9_.-]+$";
/// Key of a Secret's or ConfigMap's data (Kubernetes).
pub const CONFIG_KEY_PATTERN: &str = "^[-._a-zA-Z0-9]+$";
/// Most environment variables of a runtime (AgentCore API: `EnvironmentVariablesMap`).
pub const ENV_MAX: usize = 50;
/// Most characters of an environment variable's name (AgentCore API: `EnvironmentVariableKey`).
pub const ENV_NAME_MAX: usize = 100;
/// Most characters of an environment variable's value (AgentCore API: `EnvironmentVariableValue`).
pub const ENV_VALUE_MAX: usize = 5000;
/// Most versions that can be asked to be kept.
pub const REVISION_HISTORY_LIMIT_MAX: u32 = 100;
/// Versions that are kept besides the newest when the spec says nothing.
pub const DEFAULT_REVISION_HISTORY_LIMIT: u32 = 10;
/// Versions of a runtime that AgentCore takes (AgentCore quota).
pub const VERSIONS_QUOTA: u32 = 1000;
/// Endpoints of a runtime that AgentCore takes, `DEFAULT` among them (AgentCore quota).
pub const ENDPOINTS_QUOTA: u32 = 10;
