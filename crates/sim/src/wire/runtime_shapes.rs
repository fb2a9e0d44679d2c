//! Request shapes of CreateAgentRuntime and UpdateAgentRuntime, member by member as in the API model.

use super::shape::{Member, Shape, Text, opt, pattern, req, text};
use super::shapes::{BOOLEAN, CLIENT_TOKEN, NAME, TAGS};

static CONTAINER_URI: Shape = text(
    1,
    1024,
    r"(([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?|public\.ecr\.aws)/((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)(?::([^:@]{1,300}))?(?:@(.+))?",
);
static CONTAINER: Shape = Shape::Structure(&[req("containerUri", &CONTAINER_URI)]);

static BUCKET: Shape = pattern("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]");
static PREFIX: Shape = text(1, 1024, "");
static OBJECT_VERSION: Shape = text(3, 1024, "");
static S3: Shape = Shape::Structure(&[
    req("bucket", &BUCKET),
    req("prefix", &PREFIX),
    opt("versionId", &OBJECT_VERSION),
]);
static CODE: Shape = Shape::Union(&[opt("s3", &S3)]);
static LANGUAGE: Shape = Shape::Enum(&[
    "PYTHON_3_10",
    "PYTHON_3_11",
    "PYTHON_3_12",
    "PYTHON_3_13",
    "PYTHON_3_14",
    "NODE_22",
]);
static ENTRY: Shape = text(1, 128, "");
static ENTRY_POINT: Shape = Shape::List(1, 2, &ENTRY);
static CODE_CONFIGURATION: Shape = Shape::Structure(&[
    req("code", &CODE),
    req("runtime", &LANGUAGE),
    req("entryPoint", &ENTRY_POINT),
]);
static ARTIFACT: Shape = Shape::Union(&[
    opt("containerConfiguration", &CONTAINER),
    opt("codeConfiguration", &CODE_CONFIGURATION),
]);

static ROLE_ARN: Shape = text(1, 2048, "arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+");

static NETWORK_MODE: Shape = Shape::Enum(&["PUBLIC", "VPC"]);
static SECURITY_GROUP: Shape = pattern("sg-[0-9a-zA-Z]{8,17}");
static SECURITY_GROUPS: Shape = Shape::List(1, 16, &SECURITY_GROUP);
static SUBNET: Shape = pattern("subnet-[0-9a-zA-Z]{8,17}");
static SUBNETS: Shape = Shape::List(1, 16, &SUBNET);
static VPC: Shape = Shape::Structure(&[
    req("securityGroups", &SECURITY_GROUPS),
    req("subnets", &SUBNETS),
    opt("requireServiceS3Endpoint", &BOOLEAN),
]);
static NETWORK: Shape = Shape::Structure(&[
    req("networkMode", &NETWORK_MODE),
    opt("networkModeConfig", &VPC),
]);

static DESCRIPTION: Shape = text(1, 4096, "");

static DISCOVERY_URL: Shape =
    pattern(r"[^\s?#]+/\.well-known/(openid-configuration|oauth-authorization-server)(/[^\s?#]+)?");
static FREE: Shape = text(0, usize::MAX, "");
static FREE_LIST: Shape = Shape::List(1, usize::MAX, &FREE);
const SCOPE_TEXT: Text = Text {
    min: 1,
    max: 255,
    pattern: r"[\x21\x23-\x5B\x5D-\x7E]+",
};
static SCOPE: Shape = Shape::Text(SCOPE_TEXT);
static SCOPES: Shape = Shape::List(1, usize::MAX, &SCOPE);
static SCOPE_MAPPING: Shape = Shape::Map(50, SCOPE_TEXT, SCOPE_TEXT);
static CLAIM_NAME: Shape = text(1, 255, "[A-Za-z0-9_.-:]+");
static CLAIM_TYPE: Shape = Shape::Enum(&["STRING", "STRING_ARRAY"]);
static CLAIM_VALUE: Shape = text(1, 255, "[A-Za-z0-9_.-]+");
static CLAIM_VALUES: Shape = Shape::List(1, usize::MAX, &CLAIM_VALUE);
static CLAIM_MATCH: Shape = Shape::Union(&[
    opt("matchValueString", &CLAIM_VALUE),
    opt("matchValueStringList", &CLAIM_VALUES),
]);
static CLAIM_OPERATOR: Shape = Shape::Enum(&["EQUALS", "CONTAINS", "CONTAINS_ANY"]);
static CLAIM_RULE: Shape = Shape::Structure(&[
    req("claimMatchValue", &CLAIM_MATCH),
    req("claimMatchOperator", &CLAIM_OPERATOR),
]);
static CUSTOM_CLAIM: Shape = Shape::Structure(&[
    req("inboundTokenClaimName", &CLAIM_NAME),
    req("inboundTokenClaimValueType", &CLAIM_TYPE),
    req("authorizingClaimMatchValue", &CLAIM_RULE),
]);
static CUSTOM_CLAIMS: Shape = Shape::List(1, usize::MAX, &CUSTOM_CLAIM);

static LATTICE_ID: Shape = text(
    20,
    2048,
    r"((rcfg-[0-9a-z]{17})|(arn:[a-z0-9\-]+:vpc-lattice:[a-zA-Z0-9\-]+:\d{12}:resourceconfiguration/rcfg-[0-9a-z]{17}))",
);
static LATTICE: Shape = Shape::Union(&[opt("resourceConfigurationIdentifier", &LATTICE_ID)]);
static VPC_ID: Shape = pattern("vpc-(([0-9a-z]{8})|([0-9a-z]{17}))");
static SUBNET_IDS: Shape = Shape::List(0, usize::MAX, &SUBNET);
static IP_TYPE: Shape = Shape::Enum(&["IPV4", "IPV6"]);
static SECURITY_GROUP_ID: Shape = pattern("sg-(([0-9a-z]{8})|([0-9a-z]{17}))");
static SECURITY_GROUP_IDS: Shape = Shape::List(0, 5, &SECURITY_GROUP_ID);
static ROUTING_DOMAIN: Shape = text(3, 255, "");
static MANAGED_VPC: Shape = Shape::Structure(&[
    req("vpcIdentifier", &VPC_ID),
    req("subnetIds", &SUBNET_IDS),
    req("endpointIpAddressType", &IP_TYPE),
    opt("securityGroupIds", &SECURITY_GROUP_IDS),
    opt("tags", &TAGS),
    opt("routingDomain", &ROUTING_DOMAIN),
]);
static PRIVATE_ENDPOINT: Shape = Shape::Union(&[
    opt("selfManagedLatticeResource", &LATTICE),
    opt("managedVpcResource", &MANAGED_VPC),
]);
static DOMAIN: Shape = text(1, 253, "");
static OVERRIDE: Shape = Shape::Structure(&[
    req("domain", &DOMAIN),
    req("privateEndpoint", &PRIVATE_ENDPOINT),
]);
static OVERRIDES: Shape = Shape::List(0, 5, &OVERRIDE);
static CERTIFICATE_URI: Shape = pattern("s3://.{1,2043}");
static ACCOUNT: Shape = pattern("[0-9]{12}");
static CERTIFICATE_S3: Shape = Shape::Structure(&[
    req("uri", &CERTIFICATE_URI),
    opt("bucketOwnerAccountId", &ACCOUNT),
]);
static CERTIFICATE_SECRET_ARN: Shape =
    pattern("arn:aws(-[^:]+)?:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+");
static CERTIFICATE_SECRET: Shape = Shape::Structure(&[req("secretArn", &CERTIFICATE_SECRET_ARN)]);
static CERTIFICATE: Shape = Shape::Union(&[
    opt("s3", &CERTIFICATE_S3),
    opt("secretsManager", &CERTIFICATE_SECRET),
]);
static CERTIFICATES: Shape = Shape::List(1, 1, &CERTIFICATE);
static HOSTING_ARN: Shape = text(20, 1011, "");
static HOSTING: Shape = Shape::Structure(&[req("arn", &HOSTING_ARN)]);
static HOSTINGS: Shape = Shape::List(1, 10, &HOSTING);
static IDENTITY: Shape = text(3, 255, "[A-Za-z0-9_.-]+");
static IDENTITIES: Shape = Shape::List(1, 10, &IDENTITY);
static ALLOWED_WORKLOADS: Shape = Shape::Structure(&[
    opt("hostingEnvironments", &HOSTINGS),
    opt("workloadIdentities", &IDENTITIES),
]);
static JWT: Shape = Shape::Structure(&[
    req("discoveryUrl", &DISCOVERY_URL),
    opt("allowedAudience", &FREE_LIST),
    opt("allowedClients", &FREE_LIST),
    opt("allowedScopes", &SCOPES),
    opt("advertisedScopeMapping", &SCOPE_MAPPING),
    opt("customClaims", &CUSTOM_CLAIMS),
    opt("privateEndpoint", &PRIVATE_ENDPOINT),
    opt("privateEndpointOverrides", &OVERRIDES),
    opt("certificateConfigurations", &CERTIFICATES),
    opt("allowedWorkloadConfiguration", &ALLOWED_WORKLOADS),
]);
static AUTHORIZER: Shape = Shape::Union(&[opt("customJWTAuthorizer", &JWT)]);

static HEADER: Shape = text(1, 256, "[A-Za-z][A-Za-z0-9_-]{0,255}");
static HEADERS: Shape = Shape::List(1, 20, &HEADER);
static REQUEST_HEADERS: Shape = Shape::Union(&[opt("requestHeaderAllowlist", &HEADERS)]);

static PROTOCOL_NAME: Shape = Shape::Enum(&["MCP", "HTTP", "A2A", "AGUI"]);
static PORT: Shape = Shape::Integer(8000, 12000);
static SERVER_PATH: Shape = text(1, 2048, r"/[A-Za-z0-9\-._~/%]*");
static PROTOCOL: Shape = Shape::Structure(&[
    req("serverProtocol", &PROTOCOL_NAME),
    opt("port", &PORT),
    opt("path", &SERVER_PATH),
]);

static SECONDS: Shape = Shape::Integer(60, 1_209_600);
static LIFECYCLE: Shape = Shape::Structure(&[
    opt("idleRuntimeSessionTimeout", &SECONDS),
    opt("maxLifetime", &SECONDS),
]);

static HOOK_PATH: Shape = text(1, 32, "/[A-Za-z0-9._~/-]*");
static HTTP_POST: Shape = Shape::Structure(&[req("path", &HOOK_PATH), opt("port", &PORT)]);
static HOOK_ACTION: Shape = Shape::Union(&[opt("httpPost", &HTTP_POST)]);
static HOOK: Shape = Shape::Structure(&[req("action", &HOOK_ACTION)]);
static BUILD_HOOKS: Shape = Shape::Structure(&[opt("warmup", &HOOK)]);
static HOOKS: Shape = Shape::Structure(&[opt("build", &BUILD_HOOKS)]);

static ENVIRONMENT: Shape = Shape::Map(
    50,
    Text {
        min: 1,
        max: 100,
        pattern: "",
    },
    Text {
        min: 0,
        max: 5000,
        pattern: "",
    },
);

static MOUNT: Shape = text(6, 200, "/mnt/[a-zA-Z0-9._-]+/?");
static SESSION_STORAGE: Shape = Shape::Structure(&[req("mountPath", &MOUNT)]);
static S3_FILES_ARN: Shape = text(
    0,
    256,
    r"arn:aws[-a-z]*:s3files:[0-9a-z\-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}",
);
static S3_FILES: Shape = Shape::Structure(&[
    req("accessPointArn", &S3_FILES_ARN),
    req("mountPath", &MOUNT),
]);
static EFS_ARN: Shape = text(
    0,
    128,
    r"arn:aws[-a-z]*:elasticfilesystem:[0-9a-z\-:]+:access-point/fsap-[0-9a-f]{8,40}",
);
static EFS: Shape = Shape::Structure(&[req("accessPointArn", &EFS_ARN), req("mountPath", &MOUNT)]);
static VOLUME_NAME: Shape = text(1, 48, "[a-zA-Z][a-zA-Z0-9_-]{0,47}");
static VOLUME: Shape =
    Shape::Structure(&[req("volumeName", &VOLUME_NAME), req("mountPath", &MOUNT)]);
static MOUNT_BUCKET: Shape = text(3, 63, "");
static MOUNT_PREFIX: Shape = text(1, 1024, r"[a-zA-Z0-9{][a-zA-Z0-9!_.*'()/{}-]*");
static MOUNT_REGION: Shape = text(1, 32, r"([a-z]+-){2,3}\d+");
static BUCKET_MOUNT: Shape = Shape::Structure(&[
    req("bucket", &MOUNT_BUCKET),
    req("mountPath", &MOUNT),
    opt("prefix", &MOUNT_PREFIX),
    opt("s3BucketOwner", &ACCOUNT),
    opt("s3BucketRegion", &MOUNT_REGION),
]);
static FILESYSTEM: Shape = Shape::Union(&[
    opt("sessionStorage", &SESSION_STORAGE),
    opt("s3FilesAccessPoint", &S3_FILES),
    opt("efsAccessPoint", &EFS),
    opt("capacityProviderVolume", &VOLUME),
    opt("s3BucketMount", &BUCKET_MOUNT),
]);
static FILESYSTEMS: Shape = Shape::List(0, 5, &FILESYSTEM);

static CAPACITY_PROVIDER_ARN: Shape = pattern(
    "arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:capacity-provider/[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}",
);
static PRIVILEGE_MODE: Shape = Shape::Enum(&["STANDARD", "PRIVILEGED"]);
static LINUX: Shape = Shape::Structure(&[opt("privilegeMode", &PRIVILEGE_MODE)]);
static OPERATING_SYSTEM: Shape = Shape::Union(&[opt("linux", &LINUX)]);
static CAPACITY_PROVIDER: Shape = Shape::Structure(&[
    req("capacityProviderArn", &CAPACITY_PROVIDER_ARN),
    opt("operatingSystemConfiguration", &OPERATING_SYSTEM),
]);

static PLATFORM_VERSION: Shape = text(1, 128, r"[^\s]+");
static PORT_RANGE: Shape = Shape::Structure(&[req("from", &PORT), req("to", &PORT)]);
static ALLOWED_PORT: Shape = Shape::Union(&[opt("port", &PORT), opt("portRange", &PORT_RANGE)]);
static ALLOWED_PORTS: Shape = Shape::List(1, 5, &ALLOWED_PORT);

static MEMORY: Shape = Shape::Integer(i32::MIN as i64, i32::MAX as i64);
static RESOURCE: Shape = Shape::Structure(&[req("minimumMemoryInMiB", &MEMORY)]);
static RESOURCES: Shape = Shape::List(0, 1, &RESOURCE);

static METADATA: Shape = Shape::Structure(&[req("requireMMDSV2", &BOOLEAN)]);

/// Body of CreateAgentRuntime. It has no `metadataConfiguration`: AWS ignores members it does not know.
pub static CREATE: &[Member] = &[
    req("agentRuntimeName", &NAME),
    req("agentRuntimeArtifact", &ARTIFACT),
    req("roleArn", &ROLE_ARN),
    opt("networkConfiguration", &NETWORK),
    opt("clientToken", &CLIENT_TOKEN),
    opt("description", &DESCRIPTION),
    opt("authorizerConfiguration", &AUTHORIZER),
    opt("requestHeaderConfiguration", &REQUEST_HEADERS),
    opt("protocolConfiguration", &PROTOCOL),
    opt("lifecycleConfiguration", &LIFECYCLE),
    opt("hooksConfiguration", &HOOKS),
    opt("environmentVariables", &ENVIRONMENT),
    opt("filesystemConfigurations", &FILESYSTEMS),
    opt("capacityProviderConfiguration", &CAPACITY_PROVIDER),
    opt("tags", &TAGS),
    opt("platformVersion", &PLATFORM_VERSION),
    opt("allowedPorts", &ALLOWED_PORTS),
    opt("resourceConfigurations", &RESOURCES),
];

/// Body of UpdateAgentRuntime.
pub static UPDATE: &[Member] = &[
    req("agentRuntimeArtifact", &ARTIFACT),
    req("roleArn", &ROLE_ARN),
    opt("networkConfiguration", &NETWORK),
    opt("clientToken", &CLIENT_TOKEN),
    opt("description", &DESCRIPTION),
    opt("authorizerConfiguration", &AUTHORIZER),
    opt("requestHeaderConfiguration", &REQUEST_HEADERS),
    opt("protocolConfiguration", &PROTOCOL),
    opt("lifecycleConfiguration", &LIFECYCLE),
    opt("hooksConfiguration", &HOOKS),
    opt("metadataConfiguration", &METADATA),
    opt("environmentVariables", &ENVIRONMENT),
    opt("filesystemConfigurations", &FILESYSTEMS),
    opt("capacityProviderConfiguration", &CAPACITY_PROVIDER),
    opt("platformVersion", &PLATFORM_VERSION),
    opt("allowedPorts", &ALLOWED_PORTS),
    opt("resourceConfigurations", &RESOURCES),
];
