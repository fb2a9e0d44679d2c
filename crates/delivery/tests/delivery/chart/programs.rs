//! Installations at work: the rendered programs with the rendered rights, from the first manifest of an agent to the last.

use std::process::Command;

use anyhow::ensure;
use serde_json::Value;
use testcluster::Cluster;

use super::super::support::{
    Kubectl, NAMESPACE, cluster_with, helm, plain_manifests, program, root,
};
use super::running::{Pod, Process, Sim, until};
use super::{object, objects};

const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// An installation of the chart beside a local AgentCore.
struct Installation {
    cluster: Cluster,
    sim: Sim,
    folder: tempfile::TempDir,
    values: String,
}

impl Installation {
    async fn new(more: &str) -> anyhow::Result<Self> {
        let cluster = cluster_with(&[NAMESPACE, "team-a"]).await?;
        let folder = tempfile::tempdir()?;
        let sim = Sim::start(folder.path()).await?;
        let values = format!(
            "clusterId=test,region=us-east-1,endpointUrl=http://{},gateway.enabled=true,\
             gateway.sessionKey.create=true,{more}",
            sim.address
        );
        Ok(Self {
            cluster,
            sim,
            folder,
            values,
        })
    }

    fn kubectl(&self) -> Kubectl<'_> {
        Kubectl(&self.cluster)
    }

    /// Renders and applies the chart; what was rendered.
    fn apply(&self, more: &str) -> anyhow::Result<Vec<Value>> {
        let manifests = helm(["--set", &format!("{}{more}", self.values)])?;
        let kubectl = self.kubectl();
        kubectl.run(&["apply", "--server-side", "-f", "-"], &manifests)?;
        let established = ["wait", "--for=condition=Established", "--timeout=60s"];
        kubectl.run(&[&established[..], &["crd", "--all"]].concat(), "")?;
        Ok(objects(&manifests))
    }

    fn pod(&self) -> Pod<'_> {
        Pod {
            cluster: &self.cluster,
            folder: self.folder.path(),
            more: &CREDENTIALS,
        }
    }

    /// Applies a file below examples/.
    fn example(&self, name: &str) -> anyhow::Result<()> {
        let file = root().join("examples").join(name);
        let file = file.to_string_lossy();
        self.kubectl().run(&["apply", "-f", &file], "").map(drop)
    }

    fn ready(&self, what: &str) -> anyhow::Result<()> {
        let wait = ["wait", "--for=condition=Ready", "--timeout=90s", what];
        let within = ["--namespace", "team-a"];
        self.kubectl()
            .run(&[&wait[..], &within].concat(), "")
            .map(drop)
    }

    /// Makes the agent of the examples, and calls it through this gateway once it is Ready.
    async fn serves(&self, gateway: &Process, scheme: &str) -> anyhow::Result<()> {
        self.example("support.yaml")?;
        self.example("gateway/caller.yaml")?;
        self.ready("agentruntime/support")?;
        let address = gateway.address("gateway listens").await?;
        let answer = self.call(&format!("{scheme}://{address}"))?;
        assert!(answer["response"].is_string(), "{answer}");
        Ok(())
    }

    /// Calls the agent of the examples through the gateway at this address, as its caller.
    fn call(&self, gateway: &str) -> anyhow::Result<Value> {
        let token = ["create", "token", "caller", "--namespace", "team-a"];
        let audience = ["--audience", "agentcore-gateway"];
        let token = self.kubectl().run(&[&token[..], &audience].concat(), "")?;
        let url = format!("{gateway}/v1/namespaces/team-a/agentruntimes/support/chat");
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--insecure"])
            .args(["--noproxy", "*", "--max-time", "60", "--header"])
            .arg(format!("Authorization: Bearer {}", token.trim()))
            .args(["--data", r#"{"prompt": "Hello"}"#, &url])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{stderr}: {said}");
        Ok(serde_json::from_str(&said)?)
    }

    /// Runs what `helm test` runs, as its ServiceAccount, with the programs at these addresses.
    async fn test(&self, pod: &Value, addresses: &[(&str, &str)]) -> anyhow::Result<String> {
        let account = pod["spec"]["serviceAccountName"].as_str().expect("a name");
        let kubeconfig = self
            .cluster
            .kubeconfig_for_service_account(NAMESPACE, account)
            .await?;
        let arguments = pod["spec"]["containers"][0]["args"].as_array();
        let arguments = arguments.into_iter().flatten().map(|argument| {
            let mut argument = argument.as_str().unwrap_or_default().to_owned();
            for (service, address) in addresses {
                let name = format!("{service}.{NAMESPACE}.svc:9090");
                argument =
                    argument.replace(&format!("http://{name}"), &format!("http://{address}"));
            }
            argument
        });
        let output = Command::new(program("agentcore-operator")?)
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}{stderr}");
        Ok(said)
    }
}

#[tokio::test]
async fn for_all_namespaces_the_rendered_programs_make_call_upgrade_and_remove_an_agent()
-> anyhow::Result<()> {
    let installation = Installation::new("gateway.plainHttp=true").await?;
    let rendered = installation.apply("")?;
    let pod = installation.pod();
    let deployment = object(&rendered, "Deployment", "agentcore-operator");
    let (controller, admin) = pod.start("controller-0", deployment).await?;
    let deployment = object(&rendered, "Deployment", "agentcore-operator-gateway");
    let (gateway, gateway_admin) = pod.start("gateway-0", deployment).await?;

    installation.example("support-live.yaml")?;
    installation.serves(&gateway, "http").await?;
    installation.ready("agentendpoint/support-live")?;

    let test = object(&rendered, "Pod", "agentcore-operator-test");
    let addresses = [
        ("agentcore-operator-metrics", admin.as_str()),
        ("agentcore-operator-gateway-metrics", &gateway_admin),
    ];
    let said = installation.test(test, &addresses).await?;
    assert_eq!(said.matches("ok: ").count(), 3, "{said}");

    // An upgrade to other values restarts the controller. It looks at everything, and changes nothing in AWS.
    let rendered = installation.apply(",log.level=debug,defaultTags=null")?;
    controller.stop().await?;
    let (looks, changes) = (installation.sim.looks()?, installation.sim.changes()?);
    let deployment = object(&rendered, "Deployment", "agentcore-operator");
    let (controller, _) = pod.start("controller-1", deployment).await?;
    until("looked at", || {
        let now = installation.sim.looks()?;
        ensure!(now > looks, "{now}, as before");
        Ok(())
    })
    .await?;
    installation.ready("agentruntime/support")?;

    // Objects first: without the operator nobody would finish their deletion.
    let guard = object(&rendered, "Job", "agentcore-operator-uninstall-guard");
    let guard = &guard["spec"]["template"];
    let refused = installation.test(guard, &[]).await.expect_err("objects");
    let refused = refused.to_string();
    assert!(refused.contains("AgentRuntime team-a/support"), "{refused}");
    let delete = ["delete", "agentsessions,agentendpoints,agentruntimes"];
    let all = ["--all", "--all-namespaces", "--timeout=90s"];
    installation
        .kubectl()
        .run(&[&delete[..], &all].concat(), "")?;
    assert_eq!(installation.sim.left()?, [""; 0]);
    installation.test(guard, &[]).await?;
    // To the end: what is decided late would still count. The call through the gateway was before.
    assert_eq!(
        installation.sim.changes()?,
        changes,
        "{}",
        controller.text()
    );
    gateway.stop().await?;
    controller.stop().await?;
    installation.cluster.stop().await
}

#[tokio::test]
async fn for_named_namespaces_the_rendered_programs_serve_them_and_let_them_be_deleted()
-> anyhow::Result<()> {
    let certificate = "gateway.tls.existingSecret=gateway-tls";
    let installation =
        Installation::new(&format!("watchNamespaces={{team-a}},{certificate}")).await?;
    // Any certificate will do; the API server has one.
    let pki = installation.cluster.kubeconfig().with_file_name("state");
    let [cert, key] = ["crt", "key"].map(|end| {
        let file = pki.join(format!("server.{end}"));
        file.to_string_lossy().into_owned()
    });
    let secret = ["create", "secret", "tls", "gateway-tls", "--namespace"];
    let files = [NAMESPACE, "--cert", &cert, "--key", &key];
    installation
        .kubectl()
        .run(&[&secret[..], &files].concat(), "")?;
    let rendered = installation.apply("")?;
    let pod = installation.pod();
    let deployment = object(&rendered, "Deployment", "agentcore-operator");
    let (controller, _) = pod.start("controller-0", deployment).await?;
    let deployment = object(&rendered, "Deployment", "agentcore-operator-gateway");
    let (gateway, _) = pod.start("gateway-0", deployment).await?;

    installation.example("support-live.yaml")?;
    installation.serves(&gateway, "https").await?;
    installation.ready("agentendpoint/support-live")?;

    // The namespace goes with its Roles and RoleBindings; what is left of the operator's rights is enough to finish.
    let delete = ["delete", "namespace", "team-a", "--timeout=90s"];
    let deleted = installation.kubectl().run(&delete, "");
    assert!(deleted.is_ok(), "{deleted:?}\n{}", controller.text());
    assert_eq!(installation.sim.left()?, [""; 0]);
    gateway.stop().await?;
    controller.stop().await?;
    installation.cluster.stop().await
}

#[tokio::test]
async fn the_base_refuses_to_start_and_the_development_overlay_serves_an_agent()
-> anyhow::Result<()> {
    let installation = Installation::new("gateway.plainHttp=true").await?;
    let kubectl = installation.kubectl();
    let built = |folder: &str| {
        let folder = plain_manifests().join(folder);
        kubectl.run(&["kustomize", &folder.to_string_lossy()], "")
    };
    let overlay = built("overlays/dev")?;
    kubectl.run(&["apply", "--server-side", "-f", "-"], &overlay)?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s"];
    kubectl.run(&[&established[..], &["crd", "--all"]].concat(), "")?;
    // The Service's address is replaced by that of this machine.
    let address = format!("http://{}", installation.sim.address);
    let pod = Pod {
        more: &[("AWS_ENDPOINT_URL", &address)],
        ..installation.pod()
    };

    let base = objects(&built("base")?);
    let nameless = object(&base, "Deployment", "agentcore-operator");
    let with_credentials = [&CREDENTIALS[..], pod.more, &[("AWS_REGION", "us-east-1")]].concat();
    let refused = Pod {
        more: &with_credentials,
        ..installation.pod()
    };
    let (good, text) = refused.begin("base", nameless).await?.ended().await?;
    assert!(!good && text.contains("--cluster-id"), "{text}");

    let overlay = objects(&overlay);
    let deployment = object(&overlay, "Deployment", "agentcore-operator");
    let (controller, _) = pod.start("controller-0", deployment).await?;
    let deployment = object(&overlay, "Deployment", "agentcore-operator-gateway");
    let (gateway, _) = pod.start("gateway-0", deployment).await?;
    installation.serves(&gateway, "http").await?;
    gateway.stop().await?;
    controller.stop().await?;
    installation.cluster.stop().await
}
