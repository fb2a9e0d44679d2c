//! Specs in which every leaf is set somewhere. `NAME` in a text stands for a name that no other object has, `NAMESPACE` for the namespace.

use serde_json::{Value, json};

/// A kind and its specs.
pub fn contexts() -> Vec<(&'static str, Value)> {
    let runtimes = [
        plain(),
        in_a_vpc(),
        behind_a_private_endpoint(),
        behind_a_lattice(),
        follows_a_tag(),
        follows_versions(),
        follows_the_newest(),
        code(&json!({"runtime": "PYTHON_3_13", "entryPoint": ["main.py"],
            "s3": {"bucket": "walk-code", "prefix": "support/app.zip"}, "follow": {"interval": "5m"}})),
        code(&json!({"runtime": "NODE_22", "entryPoint": ["index.js"],
            "s3": {"bucket": "walk-code", "prefix": "support/app.zip", "versionId": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"}})),
        on_a_capacity_provider(),
        with(
            base(),
            json!({"adopt": {"runtimeId": "support_agent-abcdefghij", "apply": true, "takeOver": false}, "deletionPolicy": "Retain"}),
        ),
    ];
    let endpoints = [
        json!({"runtimeRef": {"name": "support"}, "version": "1", "endpointName": "NAME", "description": "For partners",
            "tags": {"Environment": "prod"}, "deletionPolicy": "Delete", "unknownSettings": "Keep", "suspend": false, "sessions": sessions()}),
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    ];
    let declared = [
        json!({"runtimeRef": {"name": "support"}, "suspend": false,
            "keepAlive": {"every": "5m", "payload": {"action": "keepalive"}}}),
        json!({"endpointRef": {"name": "live"}, "keepAlive": {"every": "6m"}}),
    ];
    let of = |kind: &'static str, specs: Vec<Value>| {
        specs
            .into_iter()
            .map(move |spec| (kind, spec))
            .collect::<Vec<_>>()
    };
    [
        of("AgentRuntime", runtimes.to_vec()),
        of("AgentEndpoint", endpoints.to_vec()),
        of("AgentSession", declared.to_vec()),
    ]
    .concat()
}

/// Specs of grants, in which every field is set.
pub fn grants() -> [Value; 2] {
    let any = json!(["*"]);
    [
        json!({
            "namespaces": {"names": ["team-a"]}, "regions": ["us-east-1"], "executionRoles": any, "runtimeNames": any,
            "adoption": [{"runtimeIds": ["*"], "fromOwners": ["*"]}], "repositories": any, "buckets": any, "subnets": any,
            "securityGroups": any, "capacityProviders": any, "resourcePolicies": "Any", "share": 10,
            "limits": {"runtimes": 1, "endpoints": 1, "sessions": 1, "bytes": 33_554_432},
        }),
        json!({"namespaces": {"matchLabels": {"team": "a"}}}),
    ]
}

/// The smallest runtime.
pub fn base() -> Value {
    json!({
        "artifact": {"container": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod"}},
        "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/NAMESPACE/support"},
        "network": {"mode": "PUBLIC"},
    })
}

fn with(mut spec: Value, more: Value) -> Value {
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

fn sessions() -> Value {
    json!({"onUpdate": "Drain", "drain": {"idleAfter": "60s", "deadline": "1h", "respectBusy": true, "maxPerMinute": 300}, "unnamed": "PerCaller"})
}

fn plain() -> Value {
    with(
        base(),
        json!({
            "runtimeName": "NAME", "region": "us-east-1", "description": "Answers customers of the shop",
            "protocol": {"serverProtocol": "HTTP", "port": 8080, "path": "/invocations"},
            "lifecycle": {"idleRuntimeSessionTimeout": "15m", "maxLifetime": "7h"},
            "env": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api-key", "optional": true}}},
                {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "region", "optional": true}}},
            ],
            "envFrom": [
                {"prefix": "SETTING_", "configMapRef": {"name": "settings", "optional": true}},
                {"secretRef": {"name": "keys-extra", "optional": true}},
            ],
            "requestHeaders": {"allowlist": ["X-Tenant-Id"]},
            "resourcePolicy": "{\"Version\": \"2012-10-17\", \"Statement\": []}",
            "metadataService": {"requireMMDSV2": true}, "platformVersion": "V2",
            "hooks": {"build": {"warmup": {"action": {"httpPost": {"path": "/warmup", "port": 8100}}}}},
            "resources": [{"minimumMemoryInMiB": 4096}], "unknownSettings": "Keep",
            "allowedPorts": [{"port": 8100}, {"portRange": {"from": 9000, "to": 9010}}],
            "tags": {"Project": "support"}, "deletionPolicy": "Delete", "revisionHistoryLimit": 10, "sessions": sessions(), "suspend": false,
        }),
    )
}

fn in_a_vpc() -> Value {
    with(
        base(),
        json!({
            "network": {"mode": "VPC", "vpc": {"subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"], "securityGroups": ["sg-0123456789abcdef0"]}},
            "filesystems": [
                {"sessionStorage": {"mountPath": "/mnt/work"}},
                {"s3FilesAccessPoint": {"accessPointArn": "arn:aws:s3files:us-east-1:111122223333:file-system/fs-0123456789abcdef0/access-point/fsap-0123456789abcdef0", "mountPath": "/mnt/data"}},
                {"efsAccessPoint": {"accessPointArn": "arn:aws:elasticfilesystem:us-east-1:111122223333:access-point/fsap-0123456789abcdef0", "mountPath": "/mnt/shared"}},
                {"s3BucketMount": {"bucket": "walk-data", "mountPath": "/mnt/bucket", "prefix": "data/{runtimeSessionId}/", "s3BucketOwner": "111122223333", "s3BucketRegion": "us-east-1"}},
            ],
        }),
    )
}

fn behind_a_private_endpoint() -> Value {
    let endpoint = json!({"managedVpcResource": {
        "vpcIdentifier": "vpc-0123456789abcdef0", "subnetIds": ["subnet-0123456789abcdef0"], "endpointIpAddressType": "IPV4",
        "securityGroupIds": ["sg-0123456789abcdef0"], "routingDomain": "idp.internal.example.com", "tags": {"Project": "support"},
    }});
    let lattice = json!({"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}});
    with(
        base(),
        json!({"authorizer": {"customJWT": {
            "discoveryUrl": "https://idp.example.com/.well-known/openid-configuration",
            "allowedAudience": ["support"], "allowedClients": ["web"], "allowedScopes": ["agent.invoke"],
            "advertisedScopeMapping": {"agent.invoke": "agent.invoke"},
            "customClaims": [
                {"inboundTokenClaimName": "team", "inboundTokenClaimValueType": "STRING",
                    "authorizingClaimMatchValue": {"claimMatchOperator": "EQUALS", "claimMatchValue": {"matchValueString": "a"}}},
                {"inboundTokenClaimName": "groups", "inboundTokenClaimValueType": "STRING_ARRAY",
                    "authorizingClaimMatchValue": {"claimMatchOperator": "CONTAINS_ANY", "claimMatchValue": {"matchValueStringList": ["support", "sales"]}}},
            ],
            "certificateConfigurations": [{"s3": {"uri": "s3://walk-certificates/idp.pem", "bucketOwnerAccountId": "111122223333"}}],
            "privateEndpoint": endpoint,
            "privateEndpointOverrides": [
                {"domain": "keys.example.com", "privateEndpoint": lattice},
                {"domain": "more.example.com", "privateEndpoint": endpoint},
            ],
            "allowedWorkloadConfiguration": {
                "hostingEnvironments": [{"arn": "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/front-abcdefghij"}],
                "workloadIdentities": ["front"],
            },
        }}}),
    )
}

fn behind_a_lattice() -> Value {
    with(
        base(),
        json!({"authorizer": {"customJWT": {
            "discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["support"],
            "certificateConfigurations": [{"secretsManager": {"secretArn": "arn:aws:secretsmanager:us-east-1:111122223333:secret:idp"}}],
            "privateEndpoint": {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}},
        }}}),
    )
}

fn follow(image: &str, follow: &Value) -> Value {
    with(
        base(),
        json!({"artifact": {"container": {
            "image": format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/support:{image}"), "follow": follow,
        }}}),
    )
}

fn follows_a_tag() -> Value {
    follow(
        "prod",
        &json!({"tag": "prod", "interval": "1m", "settle": "0s", "exclude": {"tags": ["broken"]}, "downgrade": "Deny"}),
    )
}

fn follows_versions() -> Value {
    follow(
        "build-1.4.0",
        &json!({"semver": {"range": "^1.4"}, "filterTags": {"pattern": "^build-(?P<v>.*)$", "extract": "$v"}, "settle": "0s",
        "exclude": {"digests": ["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]}}),
    )
}

fn follows_the_newest() -> Value {
    follow("build-1.4.0", &json!({"newest": {}, "pin": "prod"}))
}

fn code(code: &Value) -> Value {
    with(base(), json!({"artifact": {"code": code}}))
}

fn on_a_capacity_provider() -> Value {
    let mut spec = with(
        base(),
        json!({
            "capacityProvider": {"arn": "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/fleet-abcdefghij",
                "operatingSystem": {"linux": {"privilegeMode": "PRIVILEGED"}}},
            "filesystems": [{"capacityProviderVolume": {"volumeName": "scratch", "mountPath": "/mnt/scratch"}}],
        }),
    );
    if let Value::Object(fields) = &mut spec {
        fields.remove("network");
    }
    spec
}
