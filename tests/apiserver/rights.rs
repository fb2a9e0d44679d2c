//! An operator with the rights that the chart gives it and no more.

use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{AuthInfo, Kubeconfig};
use serde_json::{Value, json};

use super::rig::Rig;

/// Name of the operator's ServiceAccount, Role and RoleBinding.
const OPERATOR: &str = "operator";
/// Reads Secrets and ConfigMaps, where somebody binds it.
const CONFIG_READER: &str = "agentcore-config-reader";

impl Rig {
    /// Makes a ServiceAccount with the rights of the chart in this namespace; gives its kubeconfig.
    pub async fn least_rights(&self) -> PathBuf {
        let account = ServiceAccount {
            metadata: kube::core::ObjectMeta {
                name: Some(OPERATOR.to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.namespace);
        accounts
            .create(&PostParams::default(), &account)
            .await
            .expect("ServiceAccount");
        let role: Role = from(json!({
            "metadata": {"name": OPERATOR},
            "rules": [
                {"apiGroups": ["agentcore.dev"], "resources": ["agentruntimes", "agentendpoints", "agentsessions"], "verbs": ["get", "list", "watch", "patch"]},
                {"apiGroups": ["agentcore.dev"], "resources": ["agentruntimes/status", "agentendpoints/status", "agentsessions/status"], "verbs": ["patch"]},
                {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
                {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["create", "delete", "get", "list", "watch"]},
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "patch"]},
                {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "create", "delete"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["agentcore-operator-hash-key"], "verbs": ["get"]},
            ],
        }));
        Api::<Role>::namespaced(self.client.clone(), &self.namespace)
            .create(&PostParams::default(), &role)
            .await
            .expect("Role");
        self.bind(OPERATOR, "Role", OPERATOR).await;
        self.give_cluster_rights().await;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: None,
                expiration_seconds: Some(3600),
                bound_object_ref: None,
            }),
            ..Default::default()
        };
        let token = accounts
            .create_token_request(OPERATOR, &PostParams::default(), &request)
            .await
            .expect("token")
            .status
            .expect("a token was issued")
            .token;
        let mut kubeconfig = Kubeconfig::read_from(Self::kubeconfig()).expect("kubeconfig");
        for user in &mut kubeconfig.auth_infos {
            let info: AuthInfo = from(json!({"token": token}));
            user.auth_info = Some(info);
        }
        let path = self.dir.path().join("operator.kubeconfig");
        let mut value = serde_json::to_value(&kubeconfig).expect("JSON");
        for user in value["users"].as_array_mut().expect("users") {
            // A token's JSON form hides it.
            user["user"] = json!({"token": token});
        }
        std::fs::write(&path, value.to_string()).expect("kubeconfig written");
        path
    }

    /// Lets the operator read Secrets and ConfigMaps of this namespace.
    pub async fn allow_config(&self) {
        let role: ClusterRole = from(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": CONFIG_READER},
            "rules": [{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "list", "watch"]}],
        }));
        Api::<ClusterRole>::all(self.client.clone())
            .patch(
                CONFIG_READER,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&role),
            )
            .await
            .expect("ClusterRole");
        self.bind(CONFIG_READER, "ClusterRole", CONFIG_READER).await;
    }

    /// What the operator reads in the whole cluster, wherever it watches.
    pub async fn give_cluster_rights(&self) {
        let read = ["list", "watch"];
        self.cluster_role(&json!([
            {"apiGroups": ["agentcore.dev"], "resources": ["agentgrants"], "verbs": read},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": read},
            {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
        ]))
        .await;
    }

    /// Takes the right to list grants away.
    pub async fn take_grants_right(&self) {
        self.cluster_role(&json!([
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
        ]))
        .await;
    }

    async fn cluster_role(&self, rules: &Value) {
        let name = format!("{OPERATOR}-{}", self.namespace);
        let how = PatchParams::apply("test").force();
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
        });
        Api::<ClusterRole>::all(self.client.clone())
            .patch(&name, &how, &Patch::Apply(&role))
            .await
            .expect("ClusterRole");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": self.namespace}],
        });
        Api::<ClusterRoleBinding>::all(self.client.clone())
            .patch(&name, &how, &Patch::Apply(&binding))
            .await
            .expect("ClusterRoleBinding");
    }

    async fn bind(&self, name: &str, kind: &str, role: &str) {
        let binding: RoleBinding = from(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": self.namespace}],
        }));
        Api::<RoleBinding>::namespaced(self.client.clone(), &self.namespace)
            .create(&PostParams::default(), &binding)
            .await
            .expect("RoleBinding");
    }
}

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a manifest")
}
