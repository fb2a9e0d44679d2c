//! The API model, member by member.

use serde_json::{Value, json};

use crate::client::{Bench, IMAGE, runtime, with};

/// What only the other kind of compute has, and the member that must be named.
fn of_the_other_compute() -> Vec<(Value, &'static str)> {
    let access =
        "arn:aws:elasticfilesystem:us-east-1:111122223333:access-point/fsap-0123456789abcdef0";
    let efs = json!([{ "efsAccessPoint": { "mountPath": "/mnt/efs", "accessPointArn": access } }]);
    let session = json!([{ "sessionStorage": { "mountPath": "/mnt/work" } }]);
    let volume =
        json!([{ "capacityProviderVolume": { "mountPath": "/mnt/data", "volumeName": "data" } }]);
    let on_instances = |mut over: Value| {
        over["networkConfiguration"] = Value::Null;
        over["capacityProviderConfiguration"] = json!({ "capacityProviderArn":
            "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/main-0123456789" });
        over
    };
    vec![
        (
            json!({ "lifecycleConfiguration": { "maxLifetime": 28_801 } }),
            "lifecycleConfiguration.maxLifetime",
        ),
        (
            json!({ "filesystemConfigurations": efs }),
            "filesystemConfigurations.1.member.efsAccessPoint",
        ),
        (
            json!({ "filesystemConfigurations": volume }),
            "filesystemConfigurations.1.member.capacityProviderVolume",
        ),
        (
            on_instances(json!({ "filesystemConfigurations": session })),
            "filesystemConfigurations.1.member.sessionStorage",
        ),
        (
            on_instances(json!({ "filesystemConfigurations": efs })),
            "filesystemConfigurations.1.member.efsAccessPoint",
        ),
        (
            on_instances(json!({ "allowedPorts": [{ "port": 8100 }] })),
            "allowedPorts",
        ),
        (
            on_instances(
                json!({ "protocolConfiguration": { "serverProtocol": "HTTP", "port": 8100 } }),
            ),
            "protocolConfiguration.port",
        ),
        (
            on_instances(
                json!({ "protocolConfiguration": { "serverProtocol": "HTTP", "path": "/x" } }),
            ),
            "protocolConfiguration.path",
        ),
    ]
}

/// What to put into a good request to break it, and the member that must be named.
fn broken() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "agentRuntimeName": "has-hyphen" }),
            "agentRuntimeName",
        ),
        (json!({ "roleArn": null }), "roleArn"),
        (
            json!({ "agentRuntimeArtifact": { "containerConfiguration": { "containerUri": "docker.io/x:y" } } }),
            "agentRuntimeArtifact.containerConfiguration.containerUri",
        ),
        (
            json!({ "agentRuntimeArtifact": {} }),
            "agentRuntimeArtifact",
        ),
        (
            json!({ "agentRuntimeArtifact": { "wasm": {} } }),
            "agentRuntimeArtifact",
        ),
        (
            json!({ "agentRuntimeArtifact": { "containerConfiguration": { "containerUri": IMAGE }, "wasm": {} } }),
            "agentRuntimeArtifact",
        ),
        (
            json!({ "networkConfiguration": { "networkMode": "HOST" } }),
            "networkConfiguration.networkMode",
        ),
        (
            json!({ "networkConfiguration": { "networkMode": "VPC" } }),
            "networkConfiguration.networkModeConfig",
        ),
        (
            json!({ "networkConfiguration": null }),
            "networkConfiguration",
        ),
        (
            json!({ "networkConfiguration": { "networkMode": "VPC", "networkModeConfig": {
            "subnets": ["subnet-01234567"], "securityGroups": ["sg-01234567"], "requireServiceS3Endpoint": true } } }),
            "networkConfiguration.networkModeConfig.requireServiceS3Endpoint",
        ),
        (
            json!({ "networkConfiguration": { "networkMode": "VPC", "networkModeConfig": { "subnets": ["x"], "securityGroups": [] } } }),
            "networkConfiguration.networkModeConfig.securityGroups",
        ),
        (
            json!({ "lifecycleConfiguration": { "maxLifetime": 59 } }),
            "lifecycleConfiguration.maxLifetime",
        ),
        (
            json!({ "lifecycleConfiguration": { "idleRuntimeSessionTimeout": 700, "maxLifetime": 600 } }),
            "lifecycleConfiguration.idleRuntimeSessionTimeout",
        ),
        (
            json!({ "protocolConfiguration": { "serverProtocol": "HTTP", "port": 8443 } }),
            "protocolConfiguration.port",
        ),
        (
            json!({ "allowedPorts": [{ "portRange": { "from": 9000, "to": 8000 } }] }),
            "allowedPorts.1.member",
        ),
        (
            json!({ "filesystemConfigurations": [{ "sessionStorage": { "mountPath": "/tmp/x" } }] }),
            "filesystemConfigurations.1.member.sessionStorage.mountPath",
        ),
        (
            json!({ "requestHeaderConfiguration": { "requestHeaderAllowlist": ["X-Amz-Date"] } }),
            "requestHeaderConfiguration.requestHeaderAllowlist",
        ),
        (
            json!({ "requestHeaderConfiguration": { "requestHeaderAllowlist": ["Cookie"] } }),
            "requestHeaderConfiguration.requestHeaderAllowlist",
        ),
        (
            json!({ "authorizerConfiguration": { "customJWTAuthorizer": { "discoveryUrl": "https://idp.example.com" } } }),
            "authorizerConfiguration.customJWTAuthorizer.discoveryUrl",
        ),
        (json!({ "tags": { "aws:x": "y" } }), "tags"),
        (json!({ "clientToken": "short" }), "clientToken"),
        (json!({ "description": "" }), "description"),
        (
            json!({ "environmentVariables": (0..51).map(|n| (format!("V{n}"), json!(""))).collect::<serde_json::Map<_, _>>() }),
            "environmentVariables",
        ),
    ]
}

#[tokio::test]
async fn requests_that_break_the_model_are_refused_with_every_field_named() {
    let bench = Bench::start().await;
    for (over, field) in broken().into_iter().chain(of_the_other_compute()) {
        let answer = bench
            .call("PUT", "/runtimes/", with(runtime("x"), over.clone()))
            .await;
        assert_eq!(
            (answer.status, answer.error.as_deref()),
            (400, Some("ValidationException")),
            "{over}: {}",
            answer.text
        );
        assert_eq!(answer.body["reason"], "FieldValidationFailed", "{over}");
        let names: Vec<_> = answer.body["fieldList"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["name"].clone())
            .collect();
        assert!(names.contains(&json!(field)), "{over}: {names:?}");
    }
    let listed = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        listed["agentRuntimes"],
        json!([]),
        "nothing was made on the way"
    );
}

#[tokio::test]
async fn wrong_types_bad_ids_and_unknown_operations_have_errors_of_their_own() {
    let bench = Bench::start().await;
    for over in [
        json!({ "roleArn": 5 }),
        json!({ "agentRuntimeArtifact": [] }),
        json!({ "lifecycleConfiguration": { "maxLifetime": "600" } }),
    ] {
        bench
            .call("PUT", "/runtimes/", with(runtime("x"), over))
            .await
            .expect_error(400, "SerializationException");
    }
    let answer = bench
        .send(
            &bench.signer,
            "PUT",
            "/runtimes/",
            &http::HeaderMap::new(),
            "{".to_owned(),
        )
        .await
        .unwrap();
    answer.expect_error(400, "SerializationException");
    bench
        .call("GET", "/runtimes/no_ten_characters/", Value::Null)
        .await
        .expect_error(400, "ValidationException");
    bench
        .call("PATCH", "/runtimes/", Value::Null)
        .await
        .expect_error(404, "UnknownOperationException");
    let listed = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        listed["agentRuntimes"],
        json!([]),
        "nothing was made on the way"
    );
}

#[tokio::test]
async fn every_member_of_the_model_is_taken_and_returned() {
    let bench = Bench::start().await;
    let full = json!({
        "description": "all of it",
        "networkConfiguration": { "networkMode": "VPC", "networkModeConfig": {
            "subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"] } },
        "authorizerConfiguration": { "customJWTAuthorizer": {
            "discoveryUrl": "https://idp.example.com/.well-known/openid-configuration",
            "allowedAudience": ["support"], "allowedClients": ["web"], "allowedScopes": ["agent.invoke"],
            "advertisedScopeMapping": { "agent.invoke": "agent.invoke" },
            "customClaims": [{ "inboundTokenClaimName": "team", "inboundTokenClaimValueType": "STRING",
                "authorizingClaimMatchValue": { "claimMatchOperator": "EQUALS", "claimMatchValue": { "matchValueString": "a" } } }],
            "privateEndpoint": { "managedVpcResource": { "vpcIdentifier": "vpc-01234567", "subnetIds": ["subnet-01234567"],
                "endpointIpAddressType": "IPV4" } },
            "certificateConfigurations": [{ "secretsManager": { "secretArn": "arn:aws:secretsmanager:us-east-1:111122223333:secret:idp" } }],
        } },
        "requestHeaderConfiguration": { "requestHeaderAllowlist": ["X-Tenant-Id", "Authorization"] },
        "protocolConfiguration": { "serverProtocol": "MCP", "port": 8100, "path": "/mcp" },
        "lifecycleConfiguration": { "idleRuntimeSessionTimeout": 60, "maxLifetime": 28_800 },
        "hooksConfiguration": { "build": { "warmup": { "action": { "httpPost": { "path": "/warm" } } } } },
        "environmentVariables": { "EMPTY": "" },
        "filesystemConfigurations": [
            { "sessionStorage": { "mountPath": "/mnt/work" } },
            { "s3BucketMount": { "bucket": "team-a-data", "mountPath": "/mnt/bucket", "prefix": "data/{runtimeSessionId}/",
                "s3BucketOwner": "111122223333", "s3BucketRegion": "us-east-1" } },
            { "efsAccessPoint": { "mountPath": "/mnt/efs",
                "accessPointArn": "arn:aws:elasticfilesystem:us-east-1:111122223333:access-point/fsap-0123456789abcdef0" } },
        ],
        "platformVersion": "V2",
        "allowedPorts": [{ "port": 8100 }, { "portRange": { "from": 9000, "to": 9010 } }],
        "resourceConfigurations": [{ "minimumMemoryInMiB": 4096 }],
    });
    let id = bench
        .call("PUT", "/runtimes/", with(runtime("full"), full.clone()))
        .await
        .expect(202)["agentRuntimeId"]
        .clone();
    let got = bench.get(id.as_str().unwrap()).await;
    for (name, value) in full.as_object().unwrap() {
        assert_eq!(&got[name], value, "{name}");
    }
    let short = with(
        runtime("short"),
        json!({
            "lifecycleConfiguration": { "maxLifetime": 600 }, "environmentVariables": {}, "filesystemConfigurations": [],
        }),
    );
    let id = bench.call("PUT", "/runtimes/", short).await.expect(202)["agentRuntimeId"].clone();
    let got = bench.get(id.as_str().unwrap()).await;
    assert_eq!(
        got["lifecycleConfiguration"],
        json!({ "idleRuntimeSessionTimeout": 600, "maxLifetime": 600 })
    );
    assert!(
        got.get("environmentVariables").is_none() && got.get("filesystemConfigurations").is_none(),
        "{got}"
    );
}
