//! A port-forward of its own: streams to a ready pod of the gateway, through the API server.

use std::io;
use std::sync::Mutex;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tokio::io::DuplexStream;

use crate::context::causes;

/// The port of the container in the chart, where neither the Service nor the pod says another.
const PORT: u16 = 8443;

/// Where the gateway's pods listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// This one.
    Number(u16),
    /// The one that the container calls so.
    Name(String),
}

/// Streams to pods. Each connection looks for a pod that is ready then, so that a gateway that was replaced is found again.
pub struct Forward {
    pods: Api<Pod>,
    selector: String,
    port: Port,
    /// What a pod said last about a stream that it could not serve.
    said: std::sync::Arc<Mutex<Option<String>>>,
}

impl Forward {
    /// To pods that a selector finds.
    pub fn new(pods: Api<Pod>, selector: String, port: Port) -> Self {
        Self {
            pods,
            selector,
            port,
            said: std::sync::Arc::default(),
        }
    }

    /// Opens a stream.
    pub async fn open(&self) -> io::Result<DuplexStream> {
        let failed = |error: kube::Error| {
            let hint = match &error {
                kube::Error::Api(status) if status.is_forbidden() => {
                    " (it needs list on pods, and get and create on pods/portforward, or give --gateway URL)"
                }
                _ => "",
            };
            let text = causes(&error);
            io::Error::other(format!("the port-forward failed: {text}{hint}"))
        };
        let list = ListParams::default().labels(&self.selector);
        let pods = self.pods.list(&list).await.map_err(failed)?;
        let Some(pod) = pods.items.iter().find(|pod| is_ready(pod)) else {
            let text = "no pod of the gateway is ready: see kubectl get pods in its namespace";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        };
        let port = number(pod, &self.port)?;
        let name = pod.name_any();
        let mut forwarder = self
            .pods
            .portforward(&name, &[port])
            .await
            .map_err(failed)?;
        let stream = forwarder.take_stream(port);
        if let Some(error) = forwarder.take_error(port) {
            let said = self.said.clone();
            tokio::spawn(async move {
                if let Some(text) = error.await
                    && let Ok(mut said) = said.lock()
                {
                    *said = Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
                }
            });
        }
        stream.ok_or_else(|| io::Error::other("the port-forward opened no stream"))
    }

    /// What a pod said about a stream that broke off, since this was asked last.
    pub fn said(&self) -> Option<String> {
        self.said.lock().ok()?.take()
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The number of a port in a pod.
fn number(pod: &Pod, port: &Port) -> io::Result<u16> {
    let name = match port {
        Port::Number(number) => return Ok(*number),
        Port::Name(name) => name,
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let found = ports.find(|port| port.name.as_deref() == Some(name));
    let number = found.map_or(Some(PORT), |port| u16::try_from(port.container_port).ok());
    number.ok_or_else(|| {
        let pod = pod.name_any();
        io::Error::other(format!("pod {pod} has no usable port {name}"))
    })
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
