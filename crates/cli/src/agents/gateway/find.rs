//! Finds the gateway in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::forward::{Forward, Port};
use crate::context::Cluster;
use crate::error::Error;
use crate::refusals;

/// The gateway's pods, by the labels that the chart gives them.
const LABELS: [(&str, &str); 2] = [
    ("app.kubernetes.io/name", "agentcore-operator"),
    ("app.kubernetes.io/component", "gateway"),
];
/// What the chart calls the port of the container that agents are called at.
const AGENTS: &str = "agents";
/// What it calls the one of health and metrics. Its Service selects the same pods.
const ADMIN: &str = "admin";

/// A gateway in the cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Scheme, and the name that its certificate has: `https://SERVICE.NAMESPACE.svc`.
    pub origin: String,
    selector: String,
    port: Port,
}

/// Looks for the gateway's Service.
pub async fn find(cluster: &Cluster, namespace: &str) -> Result<Found, Error> {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
    let listed = services.list(&ListParams::default()).await;
    let listed = listed.map_err(|error| {
        let cause = refusals::of(&error, "list", "services", cluster);
        match cause {
            Error::Forbidden(_) => Error::Forbidden(format!(
                "you are not allowed to find the gateway in namespace {namespace}: give its address with --gateway URL"
            )),
            other => other,
        }
    })?;
    choose(listed.items, namespace)
}

fn choose(services: Vec<Service>, namespace: &str) -> Result<Found, Error> {
    let gateways = services.into_iter().filter(is_gateway);
    let mut found: Vec<(Service, ServicePort)> = gateways
        .filter_map(|service| agents_port(&service).map(|port| (service, port)))
        .collect();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|(it, _)| it.name_any()).collect();
        return Err(Error::Usage(format!(
            "namespace {namespace} has several gateways ({}): give the address of one with --gateway URL",
            names.join(", ")
        )));
    }
    let Some((service, port)) = found.pop() else {
        return Err(Error::Unreachable(format!(
            "there is no gateway in namespace {namespace}: name another one with --gateway-namespace, its address with --gateway URL, \
             or go to AgentCore yourself with --direct"
        )));
    };
    let name = service.name_any();
    let spec = service.spec.unwrap_or_default();
    let protocol = port.app_protocol.as_deref().or(port.name.as_deref());
    let scheme = if protocol == Some("http") {
        "http"
    } else {
        "https"
    };
    let port = match port.target_port {
        Some(IntOrString::Int(number)) => u16::try_from(number).ok().map(Port::Number),
        Some(IntOrString::String(name)) => Some(Port::Name(name)),
        None => u16::try_from(port.port).ok().map(Port::Number),
    };
    let port = port.ok_or_else(|| Error::Failed(format!("Service {name} has no usable port")))?;
    Ok(Found {
        origin: format!("{scheme}://{name}.{namespace}.svc"),
        selector: selector(&spec.selector.unwrap_or_default()),
        port,
    })
}

impl Found {
    /// The way to it.
    pub fn forward(&self, cluster: &Cluster, namespace: &str) -> Result<Forward, Error> {
        // An agent may think for longer than an API server takes for an answer.
        let pods = Api::namespaced(cluster.patient()?.client, namespace);
        Ok(Forward::new(pods, self.selector.clone(), self.port.clone()))
    }
}

fn is_gateway(service: &Service) -> bool {
    let selector = service.spec.as_ref().and_then(|it| it.selector.as_ref());
    selector.is_some_and(|selector| {
        let has = |(key, value): &(&str, &str)| selector.get(*key).is_some_and(|it| it == value);
        LABELS.iter().all(has)
    })
}

/// The port of a Service that leads to agents.
fn agents_port(service: &Service) -> Option<ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    let leads_to = |port: &ServicePort, name: &str| match &port.target_port {
        Some(IntOrString::String(target)) => target == name,
        _ => false,
    };
    let is_admin =
        |port: &ServicePort| port.name.as_deref() == Some(ADMIN) || leads_to(port, ADMIN);
    let agents = ports.iter().find(|port| leads_to(port, AGENTS));
    let agents = agents.or_else(|| ports.iter().find(|port| !is_admin(port)));
    agents.cloned()
}

fn selector(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde::Deserialize as _;
    use serde_json::{Value, json};

    use super::*;

    fn service(name: &str, component: &str, port: &Value) -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "selector": {"app.kubernetes.io/name": "agentcore-operator", "app.kubernetes.io/component": component},
                "ports": [port],
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_gateways_service_is_told_from_others_by_its_selector() {
        let port = json!({"name": "https", "port": 443, "targetPort": "agents"});
        let all = vec![
            service("metrics", "controller", &port),
            service("gw", "gateway", &port),
        ];
        let found = choose(all, "system").unwrap();
        assert_eq!(found.origin, "https://gw.system.svc");
        assert_eq!(found.port, Port::Name("agents".to_owned()));
        assert_eq!(
            found.selector,
            "app.kubernetes.io/component=gateway,app.kubernetes.io/name=agentcore-operator"
        );
    }

    #[test]
    fn without_tls_it_is_http() {
        let port = json!({"name": "agents", "appProtocol": "http", "port": 80, "targetPort": 8443});
        let found = choose(vec![service("gw", "gateway", &port)], "s").unwrap();
        assert_eq!(found.origin, "http://gw.s.svc");
        assert_eq!(found.port, Port::Number(8443));
    }

    /// The gateway's Services as the chart renders them.
    fn services(values: &str) -> Vec<Service> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let helm = std::env::var("AGENTCORE_TEST_HELM").unwrap_or_else(|_| {
            let tool = format!("{root}/scripts/tools.sh");
            let path = Command::new(tool).arg("helm").output().unwrap().stdout;
            String::from_utf8(path).unwrap().trim().to_owned()
        });
        let rendered = Command::new(helm)
            .args(["template", "agentcore-operator"])
            .arg(format!("{root}/charts/agentcore-operator"))
            .args(["--show-only", "templates/gateway/service-metrics.yaml"])
            .args(["--show-only", "templates/gateway/service.yaml", "--set"])
            .arg(format!("clusterId=a,gateway.enabled=true,{values}"))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&rendered.stderr);
        assert!(rendered.status.success(), "{error}");
        serde_yaml::Deserializer::from_slice(&rendered.stdout)
            .map(|document| Value::deserialize(document).unwrap())
            .map(|object| serde_json::from_value(object).unwrap())
            .collect()
    }

    #[test]
    fn of_the_services_that_the_chart_makes_the_one_of_metrics_is_not_the_gateway() {
        let tls = "gateway.tls.existingSecret=a";
        let plain = "gateway.plainHttp=true";
        for (values, scheme) in [(tls, "https"), (plain, "http")] {
            let mut all = services(values);
            let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
            let name = "agentcore-operator-gateway";
            assert_eq!(names, [format!("{name}-metrics"), name.to_owned()]);
            for _ in 0..2 {
                let found = choose(all.clone(), "system").unwrap();
                assert_eq!(found.origin, format!("{scheme}://{name}.system.svc"));
                assert_eq!(found.port, Port::Name("agents".to_owned()));
                all.reverse();
            }
        }
    }

    #[test]
    fn of_a_service_with_both_ports_the_one_of_agents_is_taken() {
        let admin = json!({"name": "metrics", "port": 9090, "targetPort": "admin"});
        let mut both = service("gw", "gateway", &admin);
        let none = choose(vec![both.clone()], "s").unwrap_err();
        assert!(matches!(none, Error::Unreachable(_)), "{none}");
        let agents = json!({"name": "http", "port": 80, "targetPort": "agents"});
        let ports = both.spec.as_mut().unwrap().ports.as_mut().unwrap();
        ports.push(serde_json::from_value(agents).unwrap());
        let found = choose(vec![both], "s").unwrap();
        assert_eq!(found.origin, "http://gw.s.svc");
        assert_eq!(found.port, Port::Name("agents".to_owned()));
    }

    #[test]
    fn none_and_several_say_what_to_do() {
        let port = json!({"port": 443});
        let none = choose(vec![], "system").unwrap_err();
        assert!(matches!(&none, Error::Unreachable(text) if text.contains("--direct")));
        let two = vec![
            service("a", "gateway", &port),
            service("b", "gateway", &port),
        ];
        let two = choose(two, "system").unwrap_err();
        assert!(two.to_string().contains("(a, b)"), "{two}");
    }
}
