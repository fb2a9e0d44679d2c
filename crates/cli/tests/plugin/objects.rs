//! A real API server with agents whose status the tests write.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use serde_json::{Value, json};
use testcluster::Cluster;

use crate::run::{Ran, program, run};

/// Namespace of the objects.
pub const NAMESPACE: &str = "team-a";

/// A cluster with a namespace.
pub struct World {
    pub cluster: Cluster,
    pub client: Client,
}

impl World {
    /// Without any CRD.
    pub async fn bare() -> anyhow::Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // another test may have been first
        let cluster = Cluster::start().await?;
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.proxy_url = None;
        let client = Client::try_from(config)?;
        let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(Self { cluster, client })
    }

    /// With the CRDs.
    pub async fn new() -> anyhow::Result<Self> {
        let world = Self::bare().await?;
        let crds = Api::<CustomResourceDefinition>::all(world.client.clone());
        for crd in agentcore_api::crds() {
            let name = crd.spec.names.plural.clone() + "." + &crd.spec.group;
            crds.create(&PostParams::default(), &crd).await?;
            let established =
                await_condition(crds.clone(), &name, conditions::is_crd_established());
            tokio::time::timeout(Duration::from_mins(1), established)
                .await
                .with_context(|| name.clone())??;
        }
        Ok(world)
    }

    /// Objects of a kind.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = group_version(kind);
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: kind.to_lowercase() + "s",
        };
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    /// Makes an object and writes its status.
    pub async fn make(
        &self,
        kind: &str,
        name: &str,
        mut object: Value,
        status: Value,
    ) -> anyhow::Result<DynamicObject> {
        let api = self.api(kind);
        object["metadata"]["name"] = json!(name);
        object["kind"] = json!(kind);
        let (group, version) = group_version(kind);
        object["apiVersion"] = json!(format!("{group}/{version}"));
        let object = serde_json::from_value(object)?;
        let made = api
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("{kind} {name}"))?;
        if status.is_null() {
            return Ok(made);
        }
        self.status(kind, name, status).await?;
        Ok(made)
    }

    /// Writes a status.
    pub async fn status(&self, kind: &str, name: &str, status: Value) -> anyhow::Result<()> {
        let patch = json!({ "status": status });
        self.api(kind)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    /// A ready runtime of version 3.
    pub async fn runtime(&self, name: &str, status: Value) -> anyhow::Result<DynamicObject> {
        self.make("AgentRuntime", name, crate::runtime::minimal(), status)
            .await
    }

    /// The program, as somebody who works in the namespace.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(&["-n", NAMESPACE]);
        command
            .args(arguments)
            .env("KUBECONFIG", self.cluster.kubeconfig());
        command
    }

    /// What it says. The test's own thread goes on with what the test does meanwhile.
    pub async fn says(&self, arguments: &[&str]) -> Ran {
        let command = self.program(arguments);
        tokio::task::spawn_blocking(move || run(command, ""))
            .await
            .expect("the program runs")
    }
}

fn group_version(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "ControllerRevision" => ("apps", "v1"),
        "Event" => ("events.k8s.io", "v1"),
        "Role" | "RoleBinding" => ("rbac.authorization.k8s.io", "v1"),
        _ => ("agentcore.dev", "v1alpha1"),
    }
}

/// A condition.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-11-21T10:00:00Z", "observedGeneration": 1})
}

/// Status of a runtime whose version 3 is live, with other fields over it.
pub fn ready(more: &Value) -> Value {
    let cause = |version: &str, kind: &str, time: &str| json!({"version": version, "type": kind, "message": format!("because of {kind}"), "time": time, "generation": 1});
    let mut status = json!({
        "observedGeneration": 1, "phase": "ACTIVE", "serviceStatus": "READY", "id": "support-abcdefghij",
        "latestVersion": "3", "readyVersion": "3", "previousVersion": "2",
        "defaultEndpoint": {"liveVersion": "3", "status": "READY"},
        "causes": [cause("3", "Image", "2026-11-21T09:00:00Z"), cause("2", "Spec", "2026-11-20T09:00:00Z")],
        "image": {"given": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod", "tag": "prod",
                  "digest": format!("sha256:{}", "ab".repeat(32)),
                  "previous": {"digest": format!("sha256:{}", "cd".repeat(32)), "tag": "prod"},
                  "rejected": [{"digest": format!("sha256:{}", "ef".repeat(32)), "reason": "NoArm64", "time": "2026-11-20T10:00:00Z"}]},
        "sessions": {"tracked": 12, "current": 10, "stale": 2, "draining": 2, "stopped": 0, "failed": 0,
                     "byVersion": {"3": 10, "2": 2}, "coverage": "Gateway"},
        "conditions": [condition("Ready", "True", "Ready", "version 3 is live")],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    status
}
