//! What the API server says of a text that has not the form that is wanted: words and an example, since few people read regular
//! expressions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, ValidationRule,
};

use crate::limits::{
    ACCOUNT_PATTERN, BUCKET_PATTERN, CAPACITY_PROVIDER_PATTERN, CERTIFICATE_SECRET_PATTERN,
    CERTIFICATE_URI_PATTERN, CLAIM_NAME_PATTERN, CLAIM_VALUE_PATTERN, CONFIG_KEY_PATTERN,
    DIGEST_PATTERN, DISCOVERY_URL_PATTERN, DURATION_PATTERN, EFS_ACCESS_POINT_PATTERN,
    ENDPOINT_SECURITY_GROUP_PATTERN, ENDPOINT_VERSION_PATTERN, HEADER_PATTERN, HOOK_PATH_PATTERN,
    IMAGE_PATTERN, LATTICE_PATTERN, MOUNT_PATH_PATTERN, MOUNT_PREFIX_PATTERN, NAME_PATTERN,
    OBJECT_NAME_PATTERN, PATH_PATTERN, PIN_PATTERN, PLATFORM_VERSION_PATTERN, REGION_PATTERN,
    ROLE_ARN_PATTERN, RUNTIME_ID_PATTERN, S3_FILES_ACCESS_POINT_PATTERN, SCOPE_PATTERN,
    SECURITY_GROUP_PATTERN, SUBNET_PATTERN, TAG_PATTERN, VOLUME_NAME_PATTERN, VPC_PATTERN,
};
use crate::{grant, rules};

/// Most characters of a word out of a few. Rules about texts without a limit would cost the API server too much.
const WORD_MAX: i64 = 64;

/// Each pattern of a spec, and what is wanted by it.
const WORDS: &[(&str, &str)] = &[
    (
        IMAGE_PATTERN,
        "an image in a private Amazon ECR registry, such as 111122223333.dkr.ecr.us-east-1.amazonaws.com/support:1.4.0, or at public.ecr.aws, such as public.ecr.aws/example/support:1.4.0",
    ),
    (
        NAME_PATTERN,
        "a letter and up to 47 letters, digits and underscores, such as support_agent",
    ),
    (
        TAG_PATTERN,
        "the tag of an image, of letters, digits, _ . and -, such as 1.4.0",
    ),
    (
        DIGEST_PATTERN,
        "a digest of sha256: and 64 hex digits, such as sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
    (
        PIN_PATTERN,
        "the tag of an image, such as 1.4.0, or its digest of sha256: and 64 hex digits",
    ),
    (
        ROLE_ARN_PATTERN,
        "the ARN of an IAM role, such as arn:aws:iam::111122223333:role/agentcore/support",
    ),
    (
        DURATION_PATTERN,
        "whole hours, minutes and seconds in this order, such as 90s, 15m or 1h30m",
    ),
    (
        PATH_PATTERN,
        "a path of letters, digits, - . _ ~ / and %, such as /invocations",
    ),
    (REGION_PATTERN, "an AWS region, such as us-east-1"),
    (
        RUNTIME_ID_PATTERN,
        "the id of a runtime, its name with a hyphen and 10 characters, such as support_agent-a1b2c3d4e5",
    ),
    (
        ENDPOINT_VERSION_PATTERN,
        "Latest or the number of a version in quotes, such as \"7\"",
    ),
    (
        OBJECT_NAME_PATTERN,
        "the name of a Kubernetes object, of lower case letters, digits, - and ., such as support-keys",
    ),
    (
        BUCKET_PATTERN,
        "the name of an S3 bucket without s3://, such as support-code",
    ),
    (
        SUBNET_PATTERN,
        "the id of a subnet, such as subnet-0123456789abcdef0",
    ),
    (
        SECURITY_GROUP_PATTERN,
        "the id of a security group, such as sg-0123456789abcdef0",
    ),
    (
        ENDPOINT_SECURITY_GROUP_PATTERN,
        "the id of a security group with 8 or 17 characters after sg-, such as sg-0123456789abcdef0",
    ),
    (
        VPC_PATTERN,
        "the id of a VPC, such as vpc-0123456789abcdef0",
    ),
    (
        CAPACITY_PROVIDER_PATTERN,
        "the ARN of a capacity provider, such as arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/fleet-a1b2c3d4e5",
    ),
    (
        HEADER_PATTERN,
        "the name of a header, a letter and then letters, digits, _ and -, such as X-Tenant-Id",
    ),
    (
        PLATFORM_VERSION_PATTERN,
        "a platform version without white space, such as V2",
    ),
    (
        MOUNT_PATH_PATTERN,
        "a folder right under /mnt, such as /mnt/work",
    ),
    (
        S3_FILES_ACCESS_POINT_PATTERN,
        "the ARN of an access point of S3 Files, such as arn:aws:s3files:us-east-1:111122223333:file-system/fs-0123456789abcdef0/access-point/fsap-0123456789abcdef0",
    ),
    (
        EFS_ACCESS_POINT_PATTERN,
        "the ARN of an access point of EFS, such as arn:aws:elasticfilesystem:us-east-1:111122223333:access-point/fsap-0123456789abcdef0",
    ),
    (
        VOLUME_NAME_PATTERN,
        "a letter and up to 47 letters, digits, _ and -, such as scratch",
    ),
    (
        DISCOVERY_URL_PATTERN,
        "the https address of an issuer's metadata with /.well-known/openid-configuration or /.well-known/oauth-authorization-server, such as https://idp.example.com/.well-known/openid-configuration",
    ),
    (
        SCOPE_PATTERN,
        "an OAuth scope of printable ASCII characters without space, quote and backslash, such as agent.invoke",
    ),
    (
        CLAIM_NAME_PATTERN,
        "the name of a claim, of letters, digits and _ . / :, such as team",
    ),
    (
        MOUNT_PREFIX_PATTERN,
        "a prefix that begins with a letter, a digit or {runtimeSessionId}, such as data/{runtimeSessionId}/",
    ),
    (
        ACCOUNT_PATTERN,
        "the 12 digits of an AWS account, such as 111122223333",
    ),
    (
        CERTIFICATE_URI_PATTERN,
        "an object in S3, such as s3://support-certificates/issuer.pem",
    ),
    (
        CERTIFICATE_SECRET_PATTERN,
        "the ARN of a secret, such as arn:aws:secretsmanager:us-east-1:111122223333:secret:issuer-a1b2c3",
    ),
    (
        HOOK_PATH_PATTERN,
        "a path of letters, digits and - . _ ~ /, such as /warmup",
    ),
    // Names of workload identities have the same form.
    (
        CLAIM_VALUE_PATTERN,
        "letters, digits, _ . and -, such as support.eu",
    ),
    (
        LATTICE_PATTERN,
        "the id or ARN of a VPC Lattice resource configuration, such as rcfg-0123456789abcdef0",
    ),
    (
        CONFIG_KEY_PATTERN,
        "a key of letters, digits, - . and _, such as api-key",
    ),
    (
        rules::TAG_PATTERN,
        "letters, digits, white space and . _ : / = + @ -, such as team:support",
    ),
    (
        grant::PATTERN,
        "a pattern with no other braces than those of {namespace}, such as agents/{namespace}/*",
    ),
    (
        grant::NAME_PATTERNS,
        "letters, digits and _, with * for any characters and ? for one, such as support_*",
    ),
    (
        grant::REGIONS,
        "an AWS region, written out, such as us-east-1",
    ),
    (
        grant::NAMESPACES,
        "the name of a namespace, written out, such as team-a",
    ),
];

/// Puts words for every pattern of a schema and below, and for the choice of every field that may be empty: Kubernetes takes no `null`
/// where there is an `enum`.
pub(crate) fn say(schema: &mut JSONSchemaProps) {
    let pattern = schema.pattern.take();
    let spoken = pattern.as_ref().and_then(|pattern| {
        let (_, words) = WORDS.iter().find(|(known, _)| known == pattern)?;
        Some(rule(format!("self.matches(r'{pattern}')"), words))
    });
    if spoken.is_none() {
        schema.pattern = pattern;
    }
    let choice = schema.nullable.and_then(|_| schema.enum_.take());
    let choice = choice.map(|choice| {
        schema.max_length.get_or_insert(WORD_MAX);
        let choice: Vec<_> = choice.iter().filter_map(|one| one.0.as_str()).collect();
        rule(
            format!("self in ['{}']", choice.join("', '")),
            &format!("one of {}", choice.join(", ")),
        )
    });
    for rule in spoken.into_iter().chain(choice) {
        let rules = schema.x_kubernetes_validations.get_or_insert_default();
        rules.insert(0, rule);
    }
}

fn rule(rule: String, wanted: &str) -> ValidationRule {
    ValidationRule {
        rule,
        message: Some(format!("must be {wanted}")),
        ..ValidationRule::default()
    }
}
