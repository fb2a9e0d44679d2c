//! Finds the gateway in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
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
                "you may not look for the gateway in namespace {namespace}: give its address with --gateway URL"
            )),
            other => other,
        }
    })?;
    choose(listed.items, namespace)
}

fn choose(services: Vec<Service>, namespace: &str) -> Result<Found, Error> {
    let mut found: Vec<Service> = services.into_iter().filter(is_gateway).collect();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
        return Err(Error::Usage(format!(
            "namespace {namespace} has several gateways ({}): give the address of one with --gateway URL",
            names.join(", ")
        )));
    }
    let Some(service) = found.pop() else {
        return Err(Error::Unreachable(format!(
            "there is no gateway in namespace {namespace}: name another one with --gateway-namespace, its address with --gateway URL, \
             or go to AgentCore yourself with --direct"
        )));
    };
    let name = service.name_any();
    let spec = service.spec.unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let port = ports.first();
    let says = |text: &str| {
        let named = port.and_then(|port| port.app_protocol.as_deref().or(port.name.as_deref()));
        named == Some(text)
    };
    let scheme = if says("http") { "http" } else { "https" };
    let port = match port.and_then(|port| port.target_port.clone()) {
        Some(IntOrString::Int(number)) => u16::try_from(number).ok().map(Port::Number),
        Some(IntOrString::String(name)) => Some(Port::Name(name)),
        None => port
            .and_then(|port| u16::try_from(port.port).ok())
            .map(Port::Number),
    };
    let port = port.ok_or_else(|| Error::Failed(format!("Service {name} has no good port")))?;
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

fn selector(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
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
