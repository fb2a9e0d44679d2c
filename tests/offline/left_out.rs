//! What a spec leaves out keeps what AWS has or gets AWS's default, against a simulator whose defaults nobody has documented: every value that is
//! in AWS afterwards is the spec's, AWS's own, or what was there.

use std::collections::{BTreeMap, BTreeSet};

use agentcore_api::{AgentRuntime, AgentRuntimeSpec};
use agentcore_aws::Priority;
use agentcore_plan::aws::{Runtime, ServiceStatus};
use agentcore_plan::config::ConfigInput;
use agentcore_plan::grant::Granted;
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime::{Facts, View, Wish, render};
use agentcore_plan::step::Due;
use agentcore_sim::Settings;
use aws_sdk_bedrockagentcorecontrol::types as sdk;
use serde_json::{Value, json};

use super::support::{REGION, World, quick, tags, token};

/// Other defaults than those that are documented.
fn other_defaults() -> Settings {
    Settings {
        default_idle_seconds: 777,
        default_lifetime_seconds: 7_777,
        default_protocol: "MCP".to_owned(),
        default_platform_version: "V7".to_owned(),
        ..quick()
    }
}

/// The smallest spec.
fn least(image: &str) -> Value {
    json!({
        "artifact": {"container": {"image": image}},
        "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/team-a/support"},
        "network": {"mode": "PUBLIC"},
    })
}

/// A spec that says everything, and nothing that is a default.
fn everything(image: &str) -> Value {
    let more = json!({
        "description": "Answers customers of the shop",
        "protocol": {"serverProtocol": "A2A", "port": 9100, "path": "/a2a"},
        "lifecycle": {"idleRuntimeSessionTimeout": "20m", "maxLifetime": "2h"},
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "authorizer": {"customJWT": {
            "discoveryUrl": "https://idp.example.com/.well-known/openid-configuration",
            "allowedAudience": ["support"], "allowedClients": ["web"], "allowedScopes": ["agent.invoke"],
            "advertisedScopeMapping": {"agent.invoke": "invoke"},
            "customClaims": [{"inboundTokenClaimName": "team", "inboundTokenClaimValueType": "STRING",
                "authorizingClaimMatchValue": {"claimMatchOperator": "EQUALS", "claimMatchValue": {"matchValueString": "a"}}}],
            "certificateConfigurations": [{"s3": {"uri": "s3://team-a-certificates/idp.pem"}}],
            "privateEndpoint": {"managedVpcResource": {
                "vpcIdentifier": "vpc-0123456789abcdef0", "subnetIds": ["subnet-0123456789abcdef0"], "endpointIpAddressType": "IPV4",
                "securityGroupIds": ["sg-0123456789abcdef0"], "routingDomain": "idp.internal.example.com", "tags": {"Project": "support"},
            }},
            "privateEndpointOverrides": [{"domain": "keys.example.com", "privateEndpoint":
                {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}}],
            "allowedWorkloadConfiguration": {"workloadIdentities": ["front"],
                "hostingEnvironments": [{"arn": "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/front-abcdefghij"}]},
        }},
        "requestHeaders": {"allowlist": ["X-Tenant-Id"]},
        "filesystems": [{"sessionStorage": {"mountPath": "/mnt/work"}}, {"s3BucketMount": {"bucket": "team-a-data", "mountPath": "/mnt/data"}}],
        "hooks": {"build": {"warmup": {"action": {"httpPost": {"path": "/warmup", "port": 9100}}}}},
        "resources": [{"minimumMemoryInMiB": 4096}],
        "metadataService": {"requireMMDSV2": true},
        "platformVersion": "V2",
        "allowedPorts": [{"port": 8100}],
    });
    merged(least(image), more)
}

fn merged(mut spec: Value, more: Value) -> Value {
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

/// Pointers to all members of all objects, those in lists but the lists' items themselves.
fn members(value: &Value, at: &str, into: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        for (name, below) in fields {
            let place = format!("{at}/{name}");
            members(below, &place, into);
            into.push(place);
        }
    }
}

/// The spec without one member.
fn without(spec: &Value, place: &str) -> Value {
    let mut spec = spec.clone();
    let (above, name) = place.rsplit_once('/').expect("a pointer");
    let fields = spec.pointer_mut(above).and_then(Value::as_object_mut);
    fields.expect("an object").remove(name);
    spec
}

/// What the spec wishes; `None`: it is none.
fn wish(spec: &Value) -> Option<Wish> {
    let spec: AgentRuntimeSpec = serde_json::from_value(spec.clone()).ok()?;
    let mut object = AgentRuntime::new("support", spec);
    object.metadata.namespace = Some("team-a".to_owned());
    object.metadata.uid = Some("uid-0".to_owned());
    let policy = Policy {
        cluster_id: "c1".to_owned(),
        region: REGION.to_owned(),
        ..Policy::default()
    };
    render(&View {
        object: &object,
        policy: &policy,
        granted: &Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config: &ConfigInput::NotNeeded,
        used_versions: &BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: Facts::default(),
        outcome: None,
    })
    .ok()
}

/// Values by place; a list is one value.
type Values = BTreeMap<String, Value>;

fn values(value: &Value, at: &str, into: &mut Values) {
    match value {
        Value::Object(fields) => {
            for (name, below) in fields {
                values(below, &format!("{at}/{name}"), into);
            }
        }
        value => {
            into.insert(at.to_owned(), value.clone());
        }
    }
}

struct Stage {
    world: World,
    made: std::cell::Cell<usize>,
}

impl Stage {
    async fn start() -> Self {
        Self {
            world: World::start(other_defaults()).await,
            made: std::cell::Cell::new(0),
        }
    }

    fn name(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("agent_{}", self.made.get())
    }

    /// What AWS has of a runtime's configuration.
    async fn has(&self, id: &str) -> Values {
        self.world.until_status(id, ServiceStatus::Ready).await;
        let state = self.world.admin("GET", "state", json!({})).await;
        let runtimes = state["runtimes"].as_array().expect("a list");
        let runtime = runtimes.iter().find(|one| one["agentRuntimeId"] == id);
        let mut all = Values::new();
        values(runtime.expect("there"), "", &mut all);
        let ours = |place: &String| {
            place
                .split('/')
                .nth(1)
                .is_some_and(|top| CONFIGURATION.contains(&top))
        };
        all.retain(|place, _| ours(place));
        all
    }

    /// Creates by the operator's client; the id, or `None` where AWS refuses it.
    async fn create(&self, wish: &Wish) -> Option<String> {
        let name = self.name();
        let control = self.world.control();
        let (tags, token) = (tags(), token(&name));
        let made = control.create_runtime(Priority::Urgent, &name, &wish.config, &tags, &token);
        Some(made.await.ok()?.id)
    }

    async fn get(&self, id: &str) -> Runtime {
        self.world.until_status(id, ServiceStatus::Ready).await
    }

    /// Updates by the operator's client.
    async fn update(&self, there: &Runtime, wish: &Wish) -> bool {
        let config = wish.over(&there.config);
        let control = self.world.control();
        let token = token(&format!("{}-update", there.name));
        let done = control.update_runtime(Priority::Urgent, &there.id, &config, &token);
        done.await.is_ok()
    }

    /// What a create that says as little as the API allows gives: AWS's own defaults.
    async fn defaults(&self, image: &str) -> Values {
        let client = aws_sdk_bedrockagentcorecontrol::Client::new(&super::support::sdk_config(
            &self.world.sim.url(),
            super::support::credentials("controller", "controller"),
        ));
        let container = sdk::ContainerConfiguration::builder().container_uri(image);
        let network = sdk::NetworkConfiguration::builder().network_mode(sdk::NetworkMode::Public);
        let made = client
            .create_agent_runtime()
            .agent_runtime_name(self.name())
            .role_arn("arn:aws:iam::111122223333:role/agentcore/team-a/support")
            .agent_runtime_artifact(sdk::AgentRuntimeArtifact::ContainerConfiguration(
                container.build().expect("complete"),
            ))
            .network_configuration(network.build().expect("complete"))
            .send()
            .await
            .expect("accepted");
        self.has(made.agent_runtime_id()).await
    }
}

/// Members that configure a runtime.
const CONFIGURATION: [&str; 15] = [
    "agentRuntimeArtifact",
    "roleArn",
    "networkConfiguration",
    "description",
    "authorizerConfiguration",
    "requestHeaderConfiguration",
    "protocolConfiguration",
    "lifecycleConfiguration",
    "hooksConfiguration",
    "metadataConfiguration",
    "environmentVariables",
    "filesystemConfigurations",
    "platformVersion",
    "allowedPorts",
    "resourceConfigurations",
];

/// Each value in AWS is one of those that may be there.
fn nothing_is_ours(what: &str, there: &Values, may_be: &[&Values]) {
    for (place, value) in there {
        // AWS takes no port and no path without a protocol; its documented one is said then.
        let documented = place == "/protocolConfiguration/serverProtocol"
            && *value == "HTTP"
            && what == "/protocol/serverProtocol created";
        let known = may_be.iter().any(|values| values.get(place) == Some(value));
        assert!(documented || known, "{what}: {place} is {value}");
    }
}

#[tokio::test]
async fn no_leaf_that_a_spec_leaves_out_gets_a_value_of_the_operators() {
    let stage = Stage::start().await;
    let image = stage.world.push("prod", &["arm64"]).await;
    let next = stage.world.push("next", &["arm64"]).await;
    let defaults = stage.defaults(&image).await;
    assert_eq!(defaults["/lifecycleConfiguration/maxLifetime"], 7_777);
    assert_eq!(defaults["/protocolConfiguration/serverProtocol"], "MCP");

    let whole = everything(&image);
    let all = wish(&whole).expect("a wish");
    let id = stage.create(&all).await.expect("accepted");
    let said = stage.has(&id).await;
    // Another one, as somebody else made it: what there is to adopt.
    let others = json!({
        "protocol": {"serverProtocol": "AGUI", "port": 8200, "path": "/ui"},
        "lifecycle": {"idleRuntimeSessionTimeout": "11m", "maxLifetime": "3h"},
        "platformVersion": "V3",
        "hooks": {"build": {"warmup": {"action": {"httpPost": {"path": "/others"}}}}},
        "resources": [{"minimumMemoryInMiB": 16384}],
    });
    let others = wish(&merged(least(&image), others)).expect("a wish");

    let mut places = Vec::new();
    members(&whole, "", &mut places);
    let mut specs: Vec<(String, Value)> = places
        .iter()
        .map(|place| (place.clone(), without(&whole, place)))
        .collect();
    specs.push(("everything".to_owned(), least(&image)));
    let mut walked = 0;
    for (what, spec) in specs {
        let Some(wish) = wish(&spec) else { continue };
        let Some(id) = stage.create(&wish).await else {
            continue;
        };
        walked += 1;
        let made = stage.has(&id).await;
        nothing_is_ours(&format!("{what} created"), &made, &[&said, &defaults]);
        let there = stage.get(&id).await;
        assert_eq!(
            wish.differing(&there.config),
            Vec::<&str>::new(),
            "{what}: Ready, and no Update"
        );

        let mut edited = wish.clone();
        let container = edited.config.artifact.container.as_mut().expect("an image");
        container.image.clone_from(&next);
        assert!(stage.update(&there, &edited).await, "{what}");
        let mut after = stage.has(&id).await;
        let image_at = "/agentRuntimeArtifact/containerConfiguration/containerUri";
        assert_eq!(
            after.insert(image_at.to_owned(), json!(image)),
            Some(json!(next))
        );
        let filled: Values = made.clone();
        nothing_is_ours(&format!("{what} updated"), &after, &[&filled]);
        assert_eq!(after.len(), made.len(), "{what}: {after:#?}\n{made:#?}");

        let id = stage.create(&others).await.expect("accepted");
        let before = stage.has(&id).await;
        let there = stage.get(&id).await;
        assert!(stage.update(&there, &wish).await, "{what}");
        let adopted = stage.has(&id).await;
        nothing_is_ours(
            &format!("{what} adopted"),
            &adopted,
            &[&said, &defaults, &before],
        );
    }
    assert!(walked > 20, "{walked} of {}", places.len());
}

#[tokio::test]
async fn a_plain_spec_adopts_a_runtime_and_keeps_what_it_does_not_say() {
    let stage = Stage::start().await;
    let image = stage.world.push("prod", &["arm64"]).await;
    let kept = json!({
        "protocol": {"serverProtocol": "AGUI", "port": 8200, "path": "/ui"},
        "lifecycle": {"idleRuntimeSessionTimeout": "11m", "maxLifetime": "3h"},
        "platformVersion": "V3",
        "hooks": {"build": {"warmup": {"action": {"httpPost": {"path": "/others"}}}}},
        "resources": [{"minimumMemoryInMiB": 16384}],
    });
    let others = wish(&merged(least(&image), kept)).expect("a wish");
    let id = stage.create(&others).await.expect("accepted");
    let before = stage.has(&id).await;
    let there = stage.get(&id).await;
    let plain = wish(&least(&image)).expect("a wish");
    assert_eq!(plain.differing(&there.config), Vec::<&str>::new());
    assert!(stage.update(&there, &plain).await);
    assert_eq!(stage.has(&id).await, before);
}
