//! The chart where something else has a say: an autoscaler, an umbrella chart, OpenShift.

use serde_json::{Value, json};

use super::super::support::{chart, helm, helm_run};
use super::{object, objects};

const SHARED: &str = "clusterId=a,gateway.enabled=true,gateway.plainHttp=true,gateway.ledger.url=redis://a,gateway.sessionKey.create=true";

fn rendered(more: &str, arguments: &[&str]) -> Vec<Value> {
    let values = format!("{SHARED}{more}");
    objects(&helm([&["--set", &values], arguments].concat()).unwrap())
}

fn pod<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    &object(objects, "Deployment", name)["spec"]["template"]["spec"]
}

#[test]
fn what_an_autoscaler_counts_has_no_number_of_its_own() {
    let gateway = "agentcore-operator-gateway";
    let replicas = |objects: &[Value], name: &str| {
        object(objects, "Deployment", name)["spec"]["replicas"].clone()
    };
    let scaled = rendered(
        ",gateway.autoscaling.enabled=true,gateway.autoscaling.maxReplicas=5",
        &[],
    );
    assert_eq!(replicas(&scaled, gateway), Value::Null);
    let autoscaler = &object(&scaled, "HorizontalPodAutoscaler", gateway)["spec"];
    assert_eq!(
        (&autoscaler["minReplicas"], &autoscaler["maxReplicas"]),
        (&json!(2), &json!(5))
    );
    assert_eq!(autoscaler["scaleTargetRef"]["name"], gateway);
    assert_eq!(
        autoscaler["metrics"][0]["resource"]["target"]["averageUtilization"],
        80
    );
    // One of the user's own.
    let own = rendered(",replicas=null,gateway.replicas=null", &[]);
    assert_eq!(replicas(&own, gateway), Value::Null);
    assert_eq!(replicas(&own, "agentcore-operator"), Value::Null);
    assert_eq!(replicas(&rendered("", &[]), gateway), 1);
    // Several replicas, however they are counted, share what they know.
    for counted in ["gateway.autoscaling.enabled=true", "gateway.replicas=null"] {
        let alone = format!("clusterId=a,gateway.enabled=true,gateway.plainHttp=true,{counted}");
        let refused = helm(["--set", &alone]).expect_err("no ledger").to_string();
        assert!(refused.contains("gateway.ledger"), "{refused}");
    }
}

#[test]
fn an_umbrella_chart_turns_it_on_and_off() {
    let umbrella = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(umbrella.path().join(name), text).unwrap();
    let (path, version) = (chart(), env!("CARGO_PKG_VERSION"));
    let dependency = format!(
        "dependencies: [{{name: agentcore-operator, version: {version}, repository: 'file://{}', condition: agentcore-operator.enabled}}]",
        path.display()
    );
    write(
        "Chart.yaml",
        &format!("apiVersion: v2\nname: platform\nversion: 1.0.0\n{dependency}\n"),
    );
    std::fs::create_dir(umbrella.path().join("charts")).unwrap();
    std::os::unix::fs::symlink(&path, umbrella.path().join("charts/agentcore-operator")).unwrap();
    for enabled in [true, false] {
        write(
            "values.yaml",
            &format!(
                "global: {{region: eu}}\nagentcore-operator: {{enabled: {enabled}, clusterId: a, gateway: {{enabled: true, plainHttp: true}}}}\n"
            ),
        );
        let arguments =
            ["template", "platform", &umbrella.path().to_string_lossy()].map(str::to_owned);
        let made = objects(&helm_run(arguments).unwrap());
        let deployments = made
            .iter()
            .filter(|one| one["kind"] == "Deployment")
            .count();
        assert_eq!(deployments, if enabled { 2 } else { 0 });
    }
}

#[test]
fn openshift_chooses_users_and_groups() {
    let users = |more: &str, arguments: &[&str]| {
        let objects = rendered(more, arguments);
        let fields = |name: &str| {
            let context = &pod(&objects, name)["securityContext"];
            assert_eq!(context["runAsNonRoot"], true);
            ["runAsUser", "runAsGroup", "fsGroup"].map(|field| context[field].is_number())
        };
        let both = [
            fields("agentcore-operator"),
            fields("agentcore-operator-gateway"),
        ];
        assert_eq!(both[0], both[1]);
        both[0]
    };
    let openshift = ["--api-versions", "security.openshift.io/v1"];
    assert_eq!(users("", &[]), [true; 3]);
    assert_eq!(users("", &openshift), [false; 3]);
    assert_eq!(
        users(",adaptSecurityContext=disabled", &openshift),
        [true; 3]
    );
    assert_eq!(users(",adaptSecurityContext=force", &[]), [false; 3]);
    let global = ",global.compatibility.openshift.adaptSecurityContext=force";
    assert_eq!(users(global, &[]), [false; 3]);
}

#[test]
fn the_gateway_may_run_elsewhere_than_the_controller() {
    let both = ",nodeSelector.pool=platform,tolerations[0].key=platform,priorityClassName=high";
    let objects = rendered(both, &[]);
    for name in ["agentcore-operator", "agentcore-operator-gateway"] {
        let pod = pod(&objects, name);
        assert_eq!(pod["nodeSelector"], json!({"pool": "platform"}), "{name}");
        assert_eq!(pod["tolerations"], json!([{"key": "platform"}]), "{name}");
        assert_eq!(pod["priorityClassName"], "high", "{name}");
    }
    let apart = format!("{both},gateway.nodeSelector.pool=edge,gateway.priorityClassName=higher");
    let objects = rendered(&apart, &["--set-json", "gateway.tolerations=[]"]);
    let gateway = pod(&objects, "agentcore-operator-gateway");
    assert_eq!(gateway["nodeSelector"], json!({"pool": "edge"}));
    assert_eq!(gateway["tolerations"], Value::Null);
    assert_eq!(gateway["priorityClassName"], "higher");
    let controller = pod(&objects, "agentcore-operator");
    assert_eq!(controller["nodeSelector"], json!({"pool": "platform"}));
}
