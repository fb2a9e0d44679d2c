//! Another AWS client, with nothing of the operator in it: what people do in AWS by hand.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_bedrockagentcorecontrol::Client;
use aws_sdk_bedrockagentcorecontrol::config::Credentials;
use aws_sdk_bedrockagentcorecontrol::types::{
    AgentRuntimeArtifact, ContainerConfiguration, NetworkConfiguration, NetworkMode,
};
use serde_json::json;

use super::rig::{ACCOUNT, Rig};

async fn client(rig: &Rig) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(rig.sim.url())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "by hand"))
        .load()
        .await;
    Client::new(&config)
}

fn artifact() -> AgentRuntimeArtifact {
    let uri = format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/support:prod");
    AgentRuntimeArtifact::ContainerConfiguration(
        ContainerConfiguration::builder()
            .container_uri(uri)
            .build()
            .expect("container"),
    )
}

fn public() -> NetworkConfiguration {
    NetworkConfiguration::builder()
        .network_mode(NetworkMode::Public)
        .build()
        .expect("network")
}

fn role(rig: &Rig) -> String {
    format!(
        "arn:aws:iam::{ACCOUNT}:role/agentcore/{}/support",
        rig.namespace
    )
}

impl Rig {
    /// Creates a runtime and waits until it is READY; gives its id.
    pub async fn create_by_hand(&self, name: &str, tags: &[(&str, &str)]) -> String {
        let mut request = client(self)
            .await
            .create_agent_runtime()
            .agent_runtime_name(name)
            .agent_runtime_artifact(artifact())
            .role_arn(role(self))
            .network_configuration(public());
        for (key, value) in tags {
            request = request.tags(*key, *value);
        }
        let id = request
            .send()
            .await
            .expect("create")
            .agent_runtime_id()
            .to_owned();
        self.until("READY", async || {
            let runtimes = self.aws_runtimes().await;
            let found = runtimes.iter().any(|runtime| {
                runtime["agentRuntimeId"] == json!(id) && runtime["status"] == "READY"
            });
            found.then_some(()).ok_or(format!("{runtimes:?}"))
        })
        .await;
        id
    }

    /// Changes a runtime's description; gives the version that this makes.
    pub async fn update_by_hand(&self, id: &str, description: &str) -> String {
        let answer = client(self)
            .await
            .update_agent_runtime()
            .agent_runtime_id(id)
            .agent_runtime_artifact(artifact())
            .role_arn(role(self))
            .network_configuration(public())
            .description(description)
            .send()
            .await
            .expect("update");
        answer.agent_runtime_version().to_owned()
    }

    /// Deletes the only runtime and waits until it is gone.
    pub async fn delete_by_hand(&self, id: &str) {
        client(self)
            .await
            .delete_agent_runtime()
            .agent_runtime_id(id)
            .send()
            .await
            .expect("delete");
        self.until("deleted", async || {
            let runtimes = self.aws_runtimes().await;
            runtimes
                .is_empty()
                .then_some(())
                .ok_or(format!("{runtimes:?}"))
        })
        .await;
    }

    /// Numbers of all versions of a runtime, oldest first.
    pub async fn versions_by_hand(&self, id: &str) -> Vec<u32> {
        let answer = client(self)
            .await
            .list_agent_runtime_versions()
            .agent_runtime_id(id)
            .send()
            .await
            .expect("versions");
        let versions = answer.agent_runtimes().iter();
        let mut versions: Vec<u32> = versions
            .map(|one| one.agent_runtime_version().parse().expect("a number"))
            .collect();
        versions.sort_unstable();
        versions
    }

    /// Sets tags of a resource.
    pub async fn tag_by_hand(&self, arn: &str, tags: &[(&str, &str)]) {
        let mut request = client(self).await.tag_resource().resource_arn(arn);
        for (key, value) in tags {
            request = request.tags(*key, *value);
        }
        request.send().await.expect("tagged");
    }

    /// Removes tags of a resource.
    pub async fn untag_by_hand(&self, arn: &str, keys: &[&str]) {
        let mut request = client(self).await.untag_resource().resource_arn(arn);
        for key in keys {
            request = request.tag_keys(*key);
        }
        request.send().await.expect("untagged");
    }

    /// Creates an endpoint that no AgentEndpoint owns.
    pub async fn endpoint_by_hand(&self, id: &str, name: &str) {
        client(self)
            .await
            .create_agent_runtime_endpoint()
            .agent_runtime_id(id)
            .name(name)
            .send()
            .await
            .expect("endpoint");
    }
}
