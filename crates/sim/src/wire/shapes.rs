//! Request shapes of endpoints, tags, policies, ECR and what they share. Source: the API models of
//! `bedrock-agentcore-control`, `ecr`, `logs`. The runtime's own shapes: [`super::runtime_shapes`].

use super::shape::{Member, Shape, Text, opt, pattern, req, text};

/// Most characters where the model gives none.
const ANY: usize = usize::MAX;

/// `AgentRuntimeId`.
pub static RUNTIME_ID: Shape = pattern("[a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10}");
/// `AgentRuntimeVersion`.
pub static VERSION: Shape = text(1, 5, "([1-9][0-9]{0,4})");
/// `EndpointName`, also `AgentRuntimeName`.
pub static NAME: Shape = pattern("[a-zA-Z][a-zA-Z0-9_]{0,47}");
/// `ClientToken`.
pub static CLIENT_TOKEN: Shape = text(33, 256, "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}");
/// `NextToken` of lists.
pub static NEXT_TOKEN: Shape = text(1, 2048, r"\S*");
/// `TaggableResourcesArn`.
pub static TAGGABLE_ARN: Shape = text(
    20,
    1011,
    "arn:(?:[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:([a-z-]+/[^/]+)(?:/[a-z-]+/[^/]+)*",
);
/// `BedrockAgentcoreResourceArn`.
pub static RESOURCE_ARN: Shape = text(20, 1011, "");
/// `TagKey`.
pub static TAG_KEY: Shape = Shape::Text(TAG_KEY_TEXT);
const TAG_KEY_TEXT: Text = Text {
    min: 1,
    max: 128,
    pattern: r"[a-zA-Z0-9\s._:/=+@-]*",
};
/// `TagsMap`: at most 50 entries.
pub static TAGS: Shape = Shape::Map(
    50,
    TAG_KEY_TEXT,
    Text {
        min: 0,
        max: 256,
        pattern: r"[a-zA-Z0-9\s._:/=+@-]*",
    },
);
/// A boolean.
pub static BOOLEAN: Shape = Shape::Boolean;

static ENDPOINT_DESCRIPTION: Shape = text(1, 256, "");

/// Body of CreateAgentRuntimeEndpoint.
pub static CREATE_ENDPOINT: &[Member] = &[
    req("name", &NAME),
    opt("agentRuntimeVersion", &VERSION),
    opt("description", &ENDPOINT_DESCRIPTION),
    opt("clientToken", &CLIENT_TOKEN),
    opt("tags", &TAGS),
];

/// Body of UpdateAgentRuntimeEndpoint.
pub static UPDATE_ENDPOINT: &[Member] = &[
    opt("agentRuntimeVersion", &VERSION),
    opt("description", &ENDPOINT_DESCRIPTION),
    opt("clientToken", &CLIENT_TOKEN),
];

/// Body of TagResource.
pub static TAG_RESOURCE: &[Member] = &[req("tags", &TAGS)];

static POLICY: Shape = text(1, 20480, "");
/// Body of PutResourcePolicy.
pub static PUT_POLICY: &[Member] = &[req("policy", &POLICY)];

static REGISTRY_ID: Shape = pattern("[0-9]{12}");
static REPOSITORY: Shape = text(
    2,
    256,
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
);
static ANY_TEXT: Shape = text(0, ANY, "");
static IMAGE_TAG: Shape = text(1, 300, "");
static IMAGE_ID: Shape =
    Shape::Structure(&[opt("imageDigest", &ANY_TEXT), opt("imageTag", &IMAGE_TAG)]);
static IMAGE_IDS: Shape = Shape::List(1, 100, &IMAGE_ID);
static ECR_PAGE: Shape = Shape::Integer(1, 1000);
static MEDIA_TYPES: Shape = Shape::List(1, 100, &ANY_TEXT);
static LAYER_DIGEST: Shape = pattern(r"[a-zA-Z0-9\-_+.]+:[a-fA-F0-9]+");
static TAG_STATUS: Shape = Shape::Enum(&["TAGGED", "UNTAGGED", "ANY"]);
static IMAGE_STATUS: Shape = Shape::Enum(&["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]);
static IMAGES_FILTER: Shape = Shape::Structure(&[
    opt("tagStatus", &TAG_STATUS),
    opt("imageStatus", &IMAGE_STATUS),
]);
static REPOSITORIES: Shape = Shape::List(1, 100, &REPOSITORY);

/// Body of DescribeImages.
pub static DESCRIBE_IMAGES: &[Member] = &[
    opt("registryId", &REGISTRY_ID),
    req("repositoryName", &REPOSITORY),
    opt("imageIds", &IMAGE_IDS),
    opt("nextToken", &ANY_TEXT),
    opt("maxResults", &ECR_PAGE),
    opt("filter", &IMAGES_FILTER),
];
/// Body of BatchGetImage.
pub static BATCH_GET_IMAGE: &[Member] = &[
    opt("registryId", &REGISTRY_ID),
    req("repositoryName", &REPOSITORY),
    req("imageIds", &IMAGE_IDS),
    opt("acceptedMediaTypes", &MEDIA_TYPES),
];
/// Body of DescribeRepositories.
pub static DESCRIBE_REPOSITORIES: &[Member] = &[
    opt("registryId", &REGISTRY_ID),
    opt("repositoryNames", &REPOSITORIES),
    opt("nextToken", &ANY_TEXT),
    opt("maxResults", &ECR_PAGE),
];
/// Body of GetDownloadUrlForLayer.
pub static DOWNLOAD_URL: &[Member] = &[
    opt("registryId", &REGISTRY_ID),
    req("repositoryName", &REPOSITORY),
    req("layerDigest", &LAYER_DIGEST),
];

static GROUP_NAME: Shape = text(1, 512, r"[\.\-_/#A-Za-z0-9]+");
static GROUP_IDENTIFIER: Shape = text(1, 2048, r"[\w#+=/:,.@*-]*");
static STREAM_NAME: Shape = text(1, 512, "[^:*]*");
static STREAM_NAMES: Shape = Shape::List(1, 100, &STREAM_NAME);
static FILTER_PATTERN: Shape = text(0, 1024, "");
static TIME: Shape = Shape::Integer(0, i64::MAX);
static EVENTS_PAGE: Shape = Shape::Integer(1, 10_000);
static NAMES_PAGE: Shape = Shape::Integer(1, 50);
static STREAM_ORDER: Shape = Shape::Enum(&["LogStreamName", "LastEventTime"]);

/// Body of FilterLogEvents.
pub static FILTER_LOG_EVENTS: &[Member] = &[
    opt("logGroupName", &GROUP_NAME),
    opt("logGroupIdentifier", &GROUP_IDENTIFIER),
    opt("logStreamNames", &STREAM_NAMES),
    opt("logStreamNamePrefix", &STREAM_NAME),
    opt("startTime", &TIME),
    opt("endTime", &TIME),
    opt("filterPattern", &FILTER_PATTERN),
    opt("nextToken", &NEXT_TOKEN),
    opt("limit", &EVENTS_PAGE),
    opt("interleaved", &BOOLEAN),
    opt("unmask", &BOOLEAN),
];
/// Body of DescribeLogGroups.
pub static DESCRIBE_LOG_GROUPS: &[Member] = &[
    opt("logGroupNamePrefix", &GROUP_NAME),
    opt("nextToken", &NEXT_TOKEN),
    opt("limit", &NAMES_PAGE),
];
/// Body of DescribeLogStreams.
pub static DESCRIBE_LOG_STREAMS: &[Member] = &[
    opt("logGroupName", &GROUP_NAME),
    opt("logGroupIdentifier", &GROUP_IDENTIFIER),
    opt("logStreamNamePrefix", &STREAM_NAME),
    opt("orderBy", &STREAM_ORDER),
    opt("descending", &BOOLEAN),
    opt("nextToken", &NEXT_TOKEN),
    opt("limit", &NAMES_PAGE),
];
