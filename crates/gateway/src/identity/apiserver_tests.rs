//! The gate before a real API server: real tokens, real RBAC.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use testcluster::Cluster;

use super::super::{Kind, Subresource, Verb};
use super::*;

const AUDIENCE: &str = "agentcore-gateway";
/// RBAC changes reach the authorizer through a watch; machines that run this are often busy with builds.
const SOON: Duration = Duration::from_mins(2);

async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).expect("a kubeconfig");
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("a configuration");
    config.proxy_url = None;
    Client::try_from(config).expect("a client")
}

/// A token of the ServiceAccount `default/default` for an audience.
async fn token(client: &Client, audience: &str) -> Token {
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(vec![audience.to_owned()]),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let answer = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await
        .expect("a token");
    let status = answer.status.expect("a status");
    let text = status.token.expect("a token");
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {text}").parse().expect("a header value");
    headers.insert(AUTHORIZATION, value);
    Token::from_headers(&headers).expect("a token")
}

/// Lets `default/default` invoke the AgentRuntime `support`, and nothing else.
async fn allow(client: &Client) {
    let role: Role = serde_json::from_value(json!({
        "metadata": { "name": "invoke" },
        "rules": [{ "apiGroups": ["agentcore.dev"], "resources": ["agentruntimes/invocations"],
                    "resourceNames": ["support"], "verbs": ["create"] }],
    }))
    .expect("a Role");
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "invoke" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "invoke" },
        "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": "default" }],
    }))
    .expect("a RoleBinding");
    let how = PostParams::default();
    let roles = Api::namespaced(client.clone(), "default");
    roles.create(&how, &role).await.expect("a Role");
    let bindings = Api::namespaced(client.clone(), "default");
    bindings.create(&how, &binding).await.expect("a binding");
}

fn invoke(name: &str) -> Access {
    Access {
        kind: Kind::AgentRuntime,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        verb: Verb::Create,
        subresource: Subresource::Invocations,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_roles_of_a_real_cluster_decide() {
    let cluster = Cluster::start().await.expect("a cluster");
    let client = client(&cluster).await;
    let gate = Gate::with_lives(
        client.clone(),
        vec![AUDIENCE.to_owned()],
        Asking {
            // Refusals are waited out below.
            unknown_names: 10_000.0,
            ..Asking::default()
        },
        Lives {
            refused: Duration::from_millis(50),
            ..Lives::default()
        },
    );

    let ours = token(&client, AUDIENCE).await;
    let who = gate.authenticate(&ours).await.expect("known");
    assert_eq!(who.user, "system:serviceaccount:default:default");
    assert!(who.groups.contains(&"system:serviceaccounts".to_owned()));
    let others = token(&client, "https://kubernetes.default.svc").await;
    let denied = gate.authenticate(&others).await;
    assert!(matches!(denied, Err(Denied::BadToken(_))), "{denied:?}");

    let denied = gate.authorize(&who, &invoke("support")).await;
    assert!(matches!(denied, Err(Denied::Forbidden(_))), "{denied:?}");
    allow(&client).await;
    let deadline = Instant::now() + SOON;
    while let Err(denied) = gate.authorize(&who, &invoke("support")).await {
        assert!(Instant::now() < deadline, "{denied}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.still(&ours, &invoke("support")).await.expect("still");
    for access in [
        invoke("billing"),
        Access {
            verb: Verb::Get,
            ..invoke("support")
        },
        Access {
            kind: Kind::AgentEndpoint,
            ..invoke("support")
        },
        Access {
            subresource: Subresource::Sessions,
            ..invoke("support")
        },
        Access {
            namespace: "kube-system".to_owned(),
            ..invoke("support")
        },
    ] {
        let denied = gate.authorize(&who, &access).await;
        assert!(matches!(denied, Err(Denied::Forbidden(_))), "{access:?}");
    }

    let bindings = Api::<RoleBinding>::namespaced(client.clone(), "default");
    let how = DeleteParams::default();
    bindings.delete("invoke", &how).await.expect("deleted");
    let deadline = Instant::now() + SOON;
    while gate.still(&ours, &invoke("support")).await.is_ok() {
        assert!(Instant::now() < deadline, "the right outlives its binding");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let denied = gate.authorize(&who, &invoke("support")).await;
    assert!(matches!(denied, Err(Denied::Forbidden(_))), "{denied:?}");

    cluster.stop().await.expect("it stops");
}
