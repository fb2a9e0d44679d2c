//! Which members of the answers of GetAgentRuntime and GetAgentRuntimeEndpoint this release knows. Sources: the API model of botocore 1.44.8, which is ahead of the SDK.

use serde_json::Value;

/// Most names that are told, and characters of each: they end up in a condition.
const NAMES_MAX: usize = 20;
const NAME_MAX: usize = 128;

/// Every member of a runtime by its place: `[]` for the items of a list, `*` for keys that are data.
const RUNTIME: &[&str] = &[
    "agentRuntimeArn",
    "agentRuntimeId",
    "agentRuntimeName",
    "agentRuntimeVersion",
    "createdAt",
    "lastUpdatedAt",
    "status",
    "failureReason",
    "workloadIdentityDetails.*",
    "agentRuntimeArtifact.containerConfiguration.containerUri",
    "agentRuntimeArtifact.codeConfiguration.runtime",
    "agentRuntimeArtifact.codeConfiguration.entryPoint[]",
    "agentRuntimeArtifact.codeConfiguration.code.s3.bucket",
    "agentRuntimeArtifact.codeConfiguration.code.s3.prefix",
    "agentRuntimeArtifact.codeConfiguration.code.s3.versionId",
    "roleArn",
    "networkConfiguration.networkMode",
    "networkConfiguration.networkModeConfig.subnets[]",
    "networkConfiguration.networkModeConfig.securityGroups[]",
    "networkConfiguration.networkModeConfig.requireServiceS3Endpoint",
    "description",
    "requestHeaderConfiguration.requestHeaderAllowlist[]",
    "protocolConfiguration.serverProtocol",
    "protocolConfiguration.port",
    "protocolConfiguration.path",
    "lifecycleConfiguration.idleRuntimeSessionTimeout",
    "lifecycleConfiguration.maxLifetime",
    "hooksConfiguration.build.warmup.action.httpPost.path",
    "hooksConfiguration.build.warmup.action.httpPost.port",
    "metadataConfiguration.requireMMDSV2",
    "environmentVariables.*",
    "filesystemConfigurations[].sessionStorage.mountPath",
    "filesystemConfigurations[].s3FilesAccessPoint.accessPointArn",
    "filesystemConfigurations[].s3FilesAccessPoint.mountPath",
    "filesystemConfigurations[].efsAccessPoint.accessPointArn",
    "filesystemConfigurations[].efsAccessPoint.mountPath",
    "filesystemConfigurations[].capacityProviderVolume.volumeName",
    "filesystemConfigurations[].capacityProviderVolume.mountPath",
    "filesystemConfigurations[].s3BucketMount.bucket",
    "filesystemConfigurations[].s3BucketMount.mountPath",
    "filesystemConfigurations[].s3BucketMount.prefix",
    "filesystemConfigurations[].s3BucketMount.s3BucketOwner",
    "filesystemConfigurations[].s3BucketMount.s3BucketRegion",
    "capacityProviderConfiguration.capacityProviderArn",
    "capacityProviderConfiguration.operatingSystemConfiguration.linux.privilegeMode",
    "platformVersion",
    "allowedPorts[].port",
    "allowedPorts[].portRange.from",
    "allowedPorts[].portRange.to",
    "resourceConfigurations[].minimumMemoryInMiB",
    "authorizerConfiguration.customJWTAuthorizer.discoveryUrl",
    "authorizerConfiguration.customJWTAuthorizer.allowedAudience[]",
    "authorizerConfiguration.customJWTAuthorizer.allowedClients[]",
    "authorizerConfiguration.customJWTAuthorizer.allowedScopes[]",
    "authorizerConfiguration.customJWTAuthorizer.advertisedScopeMapping.*",
    "authorizerConfiguration.customJWTAuthorizer.customClaims[].inboundTokenClaimName",
    "authorizerConfiguration.customJWTAuthorizer.customClaims[].inboundTokenClaimValueType",
    "authorizerConfiguration.customJWTAuthorizer.customClaims[].authorizingClaimMatchValue.claimMatchOperator",
    "authorizerConfiguration.customJWTAuthorizer.customClaims[].authorizingClaimMatchValue.claimMatchValue.matchValueString",
    "authorizerConfiguration.customJWTAuthorizer.customClaims[].authorizingClaimMatchValue.claimMatchValue.matchValueStringList[]",
    "authorizerConfiguration.customJWTAuthorizer.privateEndpoint.<way>",
    "authorizerConfiguration.customJWTAuthorizer.privateEndpointOverrides[].domain",
    "authorizerConfiguration.customJWTAuthorizer.privateEndpointOverrides[].privateEndpoint.<way>",
    "authorizerConfiguration.customJWTAuthorizer.certificateConfigurations[].s3.uri",
    "authorizerConfiguration.customJWTAuthorizer.certificateConfigurations[].s3.bucketOwnerAccountId",
    "authorizerConfiguration.customJWTAuthorizer.certificateConfigurations[].secretsManager.secretArn",
    "authorizerConfiguration.customJWTAuthorizer.allowedWorkloadConfiguration.hostingEnvironments[].arn",
    "authorizerConfiguration.customJWTAuthorizer.allowedWorkloadConfiguration.workloadIdentities[]",
];

/// The same of an endpoint.
const ENDPOINT: &[&str] = &[
    "agentRuntimeArn",
    "agentRuntimeEndpointArn",
    "createdAt",
    "description",
    "failureReason",
    "id",
    "lastUpdatedAt",
    "liveVersion",
    "name",
    "status",
    "targetVersion",
];

/// What stands in the place of `<way>`.
const WAYS: &[&str] = &[
    "selfManagedLatticeResource.resourceConfigurationIdentifier",
    "managedVpcResource.vpcIdentifier",
    "managedVpcResource.subnetIds[]",
    "managedVpcResource.endpointIpAddressType",
    "managedVpcResource.securityGroupIds[]",
    "managedVpcResource.tags.*",
    "managedVpcResource.routingDomain",
];

/// Names of the members of a runtime that say something and that nobody here knows. What stands below one is not told.
pub(super) fn unknown(answer: &Value) -> Vec<String> {
    unknown_of(RUNTIME, answer)
}

/// The same of an endpoint.
pub(super) fn unknown_of_endpoint(answer: &Value) -> Vec<String> {
    unknown_of(ENDPOINT, answer)
}

fn unknown_of(known: &[&str], answer: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(known, answer, "", "", &mut unknown);
    unknown.sort();
    unknown.truncate(NAMES_MAX);
    unknown
}

/// Adds a place and what is wrong there, unless something at it or below is named already.
pub(super) fn name(unknown: &mut Vec<String>, place: &str, problem: &str) {
    if unknown.len() < NAMES_MAX && !unknown.iter().any(|known| known.starts_with(place)) {
        unknown.push(printable(&format!("{place}: {problem}")));
    }
}

fn printable(name: &str) -> String {
    let printable = name.chars().filter(|c| !c.is_control());
    printable.take(NAME_MAX).collect()
}

fn walk(list: &[&str], value: &Value, pattern: &str, place: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !known(list, &format!("{pattern}.*")) => {
            for (field, below) in fields {
                let dot = if pattern.is_empty() { "" } else { "." };
                let (pattern, place) = (
                    format!("{pattern}{dot}{field}"),
                    format!("{place}{dot}{field}"),
                );
                if known(list, &pattern) {
                    walk(list, below, &pattern, &place, unknown);
                } else if says_something(below) {
                    unknown.push(printable(&place));
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(
                    list,
                    item,
                    &format!("{pattern}[]"),
                    &format!("{place}[{at}]"),
                    unknown,
                );
            }
        }
        _ => {}
    }
}

/// Whether a place is known, or leads to one that is.
fn known(list: &[&str], pattern: &str) -> bool {
    list.iter().any(|known| {
        let Some((above, "")) = known.split_once("<way>") else {
            return leads(pattern, known);
        };
        match pattern.strip_prefix(above) {
            Some(below) => WAYS.iter().any(|way| leads(below, way)),
            None => leads(pattern, above.trim_end_matches('.')),
        }
    })
}

fn leads(pattern: &str, known: &str) -> bool {
    let rest = known.strip_prefix(pattern);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// An empty list or object may well be a setting, such as an arm of a union without fields of its own.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_that_nobody_knows_are_named_and_data_is_not() {
        let answer = json!({
            "agentRuntimeId": "support-abcdefghij",
            "environmentVariables": {"ANYTHING": "1"},
            "tomorrow": {"secret": "value"},
            "emptyObject": {}, "emptyList": [], "emptyText": "", "none": null,
            "lifecycleConfiguration": {"maxLifetime": 1, "graceSeconds": 5},
            "filesystemConfigurations": [
                {"sessionStorage": {"mountPath": "/mnt/a"}}, {"tapeDrive": {"mountPath": "/mnt/b"}},
                {"s3BucketMount": {"bucket": "b", "mountPath": "/mnt/c", "cache": true}},
            ],
            "authorizerConfiguration": {"customJWTAuthorizer": {
                "discoveryUrl": "https://idp", "advertisedScopeMapping": {"any.scope": "x"}, "leeway": 3,
                "privateEndpoint": {"managedVpcResource": {"tags": {"Any": "x"}, "subnetIds": ["subnet-1"], "zone": "a"}},
                "privateEndpointOverrides": [{"domain": "a", "privateEndpoint": {"tunnel": {"id": "1"}}}],
            }},
        });
        assert_eq!(
            unknown(&answer),
            [
                "authorizerConfiguration.customJWTAuthorizer.leeway",
                "authorizerConfiguration.customJWTAuthorizer.privateEndpoint.managedVpcResource.zone",
                "authorizerConfiguration.customJWTAuthorizer.privateEndpointOverrides[0].privateEndpoint.tunnel",
                "emptyList",
                "emptyObject",
                "filesystemConfigurations[1].tapeDrive",
                "filesystemConfigurations[2].s3BucketMount.cache",
                "lifecycleConfiguration.graceSeconds",
                "tomorrow",
            ]
        );
    }

    #[test]
    fn an_endpoint_has_members_of_its_own() {
        let known: Value = ENDPOINT
            .iter()
            .map(|name| ((*name).to_owned(), json!("x")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(unknown_of_endpoint(&known), Vec::<String>::new());
        let answer = json!({"name": "live", "roleArn": "arn", "canary": {"weight": 5}, "sticky": {}, "rules": []});
        assert_eq!(
            unknown_of_endpoint(&answer),
            ["canary", "roleArn", "rules", "sticky"]
        );
    }

    #[test]
    fn an_answer_full_of_news_is_told_in_bounds() {
        let answer: Value = (0..1_000)
            .map(|n| (format!("{n}{}", "x".repeat(1_000)), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let names = unknown(&answer);
        assert_eq!(names.len(), NAMES_MAX);
        assert!(names.iter().all(|name| name.len() == NAME_MAX));
    }
}
