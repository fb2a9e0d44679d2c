//! What values make of the chart, without a cluster.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::support::{chart, helm, helm_of, values};
use super::{object, objects};

const GATEWAY: [&str; 4] = [
    "--set",
    "gateway.enabled=true",
    "--set",
    "gateway.plainHttp=true",
];

/// The objects with a cluster id and these arguments.
fn rendered(more: &[&str]) -> Vec<Value> {
    objects(&helm([&["--set", "clusterId=a"], more].concat()).unwrap())
}

/// Why the chart does not render with these arguments.
fn refusal(more: &[&str]) -> String {
    helm([&["--set", "clusterId=a"], more].concat())
        .expect_err("refused")
        .to_string()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|one| one["kind"] == kind).collect()
}

fn args(deployment: &Value) -> Vec<&str> {
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let args = args.as_array().unwrap();
    args.iter().map(|arg| arg.as_str().unwrap()).collect()
}

#[test]
fn the_chart_refuses_to_render_without_a_cluster_id() {
    let error = helm::<&str>([]).unwrap_err().to_string();
    assert!(error.contains("clusterId"), "{error}");
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_a_word_on_what_to_do() {
    for (value, word) in [
        ("replica=2", "replica"),
        ("configNamespaces={team-a}", "configNamespaces"),
        (
            "defaultTags.agentcore\\.dev/cluster=x",
            "agentcore.dev/cluster",
        ),
        (
            "podLabels.app\\.kubernetes\\.io/component=x",
            "app.kubernetes.io/component",
        ),
        ("serviceMonitor.renderMode=always", "renderMode"),
        ("networkPolicy.apiServer.ports={}", "ports"),
        ("gateway.enabled=true", "gateway.tls.existingSecret"),
        ("image=null", "image: must not be null"),
        ("gateway.sessionKey.key=null", "missing property 'key'"),
        (
            "gateway.enabled=true,gateway.plainHttp=true,gateway.tls.existingSecret=a",
            "exactly one",
        ),
        (
            "gateway.enabled=true,gateway.tls.certManager.enabled=true",
            "issuerRef.name",
        ),
        (
            "gateway.enabled=true,gateway.plainHttp=true,gateway.sessionKey.create=true,gateway.sessionKey.existingSecret=a",
            "not both",
        ),
        (
            "gateway.enabled=true,gateway.plainHttp=true,gateway.ledger.url=redis://a,gateway.ledger.existingSecret=a",
            "not both",
        ),
        (
            "serviceMonitor.enabled=true,serviceMonitor.renderMode=failIfMissing",
            "alwaysRender",
        ),
    ] {
        let error = refusal(&["--set", value]);
        assert!(error.contains(word), "{value}: {error}");
    }
}

#[test]
fn every_value_has_a_schema_and_a_comment() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let defaults: Value = serde_yaml::from_str(&text).unwrap();
    let schema = std::fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    compare("", &defaults, &schema);
    let lines: Vec<&str> = text.lines().collect();
    let top = |line: &str| !line.is_empty() && !line.starts_with([' ', '#', '-']);
    // A comment stands above a value, behind it, or for a block of values without an empty line between them.
    let mut explained = false;
    for (at, line) in lines.iter().enumerate() {
        if line.is_empty() {
            explained = false;
        }
        explained |= line.contains('#');
        let within = lines[at + 1..].iter().take_while(|next| !top(next));
        let below = within.clone().any(|next| next.contains('#'));
        assert!(!top(line) || explained || below, "no comment: {line}");
    }
}

#[test]
fn lists_and_maps_may_be_left_empty_as_people_do() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let defaults: Value = serde_yaml::from_str(&text).unwrap();
    let mut empty = Vec::new();
    for (name, value) in defaults.as_object().unwrap() {
        if value == &json!([]) || value == &json!({}) {
            empty.push(format!("{name}=null"));
        }
    }
    assert!(empty.len() > 10, "{empty:?}");
    empty.push("serviceAccount.annotations=null,gateway.serviceAccount.annotations=null".into());
    let nulls = empty.join(",");
    let with = rendered(&[&GATEWAY[..], &["--set", &nulls]].concat());
    assert_eq!(with, rendered(&GATEWAY));
}

/// Fails where values and schema do not have the same names.
fn compare(path: &str, defaults: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    assert_eq!(schema["additionalProperties"], json!(false), "{path}");
    for (name, property) in properties {
        let said = property["description"].is_string() || property["$ref"].is_string();
        assert!(said, "no description: {path}.{name}");
    }
    let ours: BTreeSet<&String> = defaults.as_object().unwrap().keys().collect();
    let known: BTreeSet<&String> = properties.keys().filter(|name| *name != "global").collect();
    assert_eq!(ours, known, "{path}");
    for (name, property) in properties.iter().filter(|(name, _)| *name != "global") {
        compare(&format!("{path}.{name}"), &defaults[name], property);
    }
}

#[test]
fn custom_resource_definitions_can_be_left_out_and_are_kept_unless_told_otherwise() {
    let kept = |more: &[&str]| -> Vec<bool> {
        of_kind(&rendered(more), "CustomResourceDefinition")
            .iter()
            .map(|one| one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep")
            .collect()
    };
    assert_eq!(kept(&[]), [true; 4]);
    assert_eq!(kept(&["--set", "crds.keep=false"]), [false; 4]);
    assert_eq!(kept(&["--set", "crds.enabled=false"]), [false; 0]);
}

#[test]
fn several_gateways_need_a_ledger_and_a_key_that_they_share() {
    let gateway = [&GATEWAY[..], &["--set", "gateway.replicas=2"]].concat();
    let ledger = ["--set", "gateway.ledger.url=redis://valkey:6379"];
    let key = ["--set", "gateway.sessionKey.existingSecret=key"];
    for (more, word) in [
        (&key[..], "gateway.ledger"),
        (&ledger[..], "gateway.sessionKey"),
    ] {
        let error = refusal(&[&gateway[..], more].concat());
        assert!(error.contains(word), "{error}");
    }
    let objects = rendered(&[&gateway[..], &ledger[..], &key[..]].concat());
    let deployment = object(&objects, "Deployment", "agentcore-operator-gateway");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert!(args(deployment).contains(&"--ledger=redis://valkey:6379"));
    assert!(deployment["spec"]["strategy"].is_null(), "pods overlap");
}

#[test]
fn a_gateway_alone_with_its_sessions_is_never_there_twice() {
    let objects = rendered(&GATEWAY);
    let deployment = object(&objects, "Deployment", "agentcore-operator-gateway");
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
}

#[test]
fn both_programs_have_a_budget_a_spread_and_a_service_for_metrics() {
    let objects = rendered(&GATEWAY);
    for (name, component) in [
        ("agentcore-operator", "controller"),
        ("agentcore-operator-gateway", "gateway"),
    ] {
        let deployment = object(&objects, "Deployment", name);
        let selector = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!(selector["app.kubernetes.io/component"], component);
        let budget = object(&objects, "PodDisruptionBudget", name);
        assert_eq!(budget["spec"]["maxUnavailable"], 1);
        assert_eq!(&budget["spec"]["selector"]["matchLabels"], selector);
        let spread = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"];
        assert_eq!(spread[0]["topologyKey"], "kubernetes.io/hostname");
        assert_eq!(spread[1]["topologyKey"], "topology.kubernetes.io/zone");
        assert_eq!(&spread[1]["labelSelector"]["matchLabels"], selector);
        let service = object(&objects, "Service", &format!("{name}-metrics"));
        assert_eq!(&service["spec"]["selector"], selector);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], "admin");
    }
}

#[test]
fn service_monitors_are_rendered_as_their_mode_says_and_select_the_metrics_alone() {
    let monitors = |more: &[&str]| {
        let on = ["--set", "serviceMonitor.enabled=true"];
        let objects = rendered(&[&GATEWAY[..], &on, more].concat());
        of_kind(&objects, "ServiceMonitor").len()
    };
    let api = ["--api-versions", "monitoring.coreos.com/v1"];
    let always = ["--set", "serviceMonitor.renderMode=alwaysRender"];
    let fail = ["--set", "serviceMonitor.renderMode=failIfMissing"];
    assert_eq!(monitors(&[]), 0);
    assert_eq!(monitors(&api), 2);
    assert_eq!(monitors(&always), 2);
    assert_eq!(monitors(&[&fail[..], &api].concat()), 2);

    let objects = objects(&helm(values("replicas-values.yaml")).unwrap());
    for monitor in of_kind(&objects, "ServiceMonitor") {
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
        let wanted = monitor["spec"]["selector"]["matchLabels"]
            .as_object()
            .unwrap();
        let selected: Vec<&str> = of_kind(&objects, "Service")
            .into_iter()
            .filter(|service| {
                let labels = &service["metadata"]["labels"];
                wanted.iter().all(|(key, value)| &labels[key] == value)
            })
            .map(|service| service["metadata"]["name"].as_str().unwrap())
            .collect();
        let name = monitor["metadata"]["name"].as_str().unwrap();
        assert_eq!(selected, [format!("{name}-metrics")]);
    }
}

#[test]
fn scraped_metrics_keep_the_labels_of_their_agents() {
    let on = ["--set", "serviceMonitor.enabled=true"];
    let always = ["--set", "serviceMonitor.renderMode=alwaysRender"];
    let objects = rendered(&[&GATEWAY[..], &on, &always].concat());
    let monitors = of_kind(&objects, "ServiceMonitor");
    assert_eq!(monitors.len(), 2);
    for monitor in monitors {
        for endpoint in monitor["spec"]["endpoints"].as_array().unwrap() {
            assert_eq!(endpoint["honorLabels"], true, "{monitor}");
        }
    }
}

/// What an object of a release is called in the whole cluster.
fn place(object: &Value) -> String {
    let of = &object["metadata"];
    format!("{} {}/{}", object["kind"], of["namespace"], of["name"])
}

#[test]
fn two_releases_of_a_cluster_make_no_object_twice() {
    let made = |release: &str, namespace: &str, more: &str| -> BTreeSet<String> {
        let values = format!(
            "clusterId={release},gateway.enabled=true,gateway.plainHttp=true,rbac.aggregate=true,config.namespaces={{both}}{more}"
        );
        let rendered = helm_of(release, namespace, ["--set", values.as_str()]).unwrap();
        objects(&rendered).iter().map(place).collect()
    };
    let first = made("agentcore-operator", "agentcore-system", "");
    let twice = |more: &str| -> Vec<String> {
        let second = made("agentcore-operator-b", "agentcore-system-b", more);
        first.intersection(&second).cloned().collect()
    };
    let reader = r#""ClusterRole" null/"agentcore-config-reader""#;
    assert_eq!(twice(",crds.enabled=false"), [reader]);
    let apart = ",crds.enabled=false,config.createClusterRole=false";
    assert_eq!(twice(apart), [""; 0]);
}

#[test]
fn policies_open_the_ports_that_the_programs_use_and_no_others() {
    let ports = |rules: &Value| -> BTreeSet<String> {
        let rules = rules.as_array().unwrap().iter();
        let ports = rules.flat_map(|rule| rule["ports"].as_array().unwrap());
        ports.map(|port| port["port"].to_string()).collect()
    };
    let set = |ports: &[&str]| ports.iter().map(|&port| port.to_owned()).collect();
    let on = [
        "--set",
        "networkPolicy.enabled=true",
        "--set",
        "endpointUrl=http://sim.dev",
    ];
    let ledger = ["--set", "gateway.ledger.url=rediss://[fd00::1]:6390/1"];
    let objects = rendered(&[&GATEWAY[..], &on, &ledger].concat());
    let controller = &object(&objects, "NetworkPolicy", "agentcore-operator")["spec"];
    let gateway = &object(&objects, "NetworkPolicy", "agentcore-operator-gateway")["spec"];
    let all: BTreeSet<String> = set(&["53", "80", "443", "6443"]);
    assert_eq!(ports(&controller["ingress"]), set(&["\"admin\""]));
    assert_eq!(ports(&controller["egress"]), all);
    assert_eq!(
        ports(&gateway["ingress"]),
        set(&["\"admin\"", "\"agents\""])
    );
    let with_ledger = all.into_iter().chain(["6390".to_owned()]).collect();
    assert_eq!(ports(&gateway["egress"]), with_ledger);
    for policy in [controller, gateway] {
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    }
}

#[test]
fn a_certificate_is_for_the_names_of_the_service_and_what_values_add() {
    let objects = objects(&helm(values("replicas-values.yaml")).unwrap());
    let certificate = object(&objects, "Certificate", "agentcore-operator-gateway");
    let names = [
        "agentcore-operator-gateway",
        "agentcore-operator-gateway.agentcore-system",
        "agentcore-operator-gateway.agentcore-system.svc",
        "agentcore-operator-gateway.agentcore-system.svc.cluster.local",
        "agents.example.com",
    ];
    assert_eq!(certificate["spec"]["dnsNames"], json!(names));
    let deployment = object(&objects, "Deployment", "agentcore-operator-gateway");
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    let mounted = volumes.as_array().unwrap().iter();
    let secrets: Vec<&Value> = mounted
        .filter_map(|volume| volume["secret"].get("secretName"))
        .collect();
    let key = "agentcore-operator-gateway-session-key";
    assert_eq!(secrets, [&certificate["spec"]["secretName"], &json!(key)]);
    let secret = object(&objects, "Secret", key);
    assert_eq!(
        secret["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
}

#[test]
fn advice_is_given_whoever_may_write_status() {
    let unprotected = ["--set", "tenancy.protectStatus.enabled=false"];
    for objects in [rendered(&[]), rendered(&unprotected)] {
        let name = "agentcore-operator-advice";
        let policy = object(&objects, "ValidatingAdmissionPolicy", name);
        assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
        let binding = object(&objects, "ValidatingAdmissionPolicyBinding", name);
        assert_eq!(binding["spec"]["validationActions"], json!(["Warn"]));
    }
    let objects = rendered(&unprotected);
    assert_eq!(of_kind(&objects, "ValidatingAdmissionPolicy").len(), 1);
}

#[test]
fn labels_of_everybody_are_on_every_object_and_in_no_selector() {
    let common = ["--set", "commonLabels.team=platform"];
    let plain = rendered(&GATEWAY);
    let labelled = rendered(&[&GATEWAY[..], &common].concat());
    assert_eq!(plain.len(), labelled.len());
    for (before, after) in plain.iter().zip(&labelled) {
        assert_eq!(after["metadata"]["labels"]["team"], "platform", "{after}");
        assert_eq!(before["spec"]["selector"], after["spec"]["selector"]);
        let pod = &after["spec"]["template"]["metadata"]["labels"];
        assert!(pod.is_null() || pod["team"] == "platform", "{pod}");
    }
}

#[test]
fn the_test_of_an_installation_asks_both_programs_and_is_no_part_of_the_release() {
    let objects = rendered(&GATEWAY);
    let pod = object(&objects, "Pod", "agentcore-operator-test");
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let args = pod["spec"]["containers"][0]["args"].as_array().unwrap();
    for service in ["agentcore-operator", "agentcore-operator-gateway"] {
        let url = format!("--ready-url=http://{service}-metrics.agentcore-system.svc:9090/readyz");
        assert!(args.contains(&json!(url)), "{args:?}");
        let service = object(&objects, "Service", &format!("{service}-metrics"));
        assert_eq!(service["spec"]["ports"][0]["port"], 9090);
    }
}
