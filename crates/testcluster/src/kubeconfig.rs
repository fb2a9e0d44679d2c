//! Kubeconfig files: one cluster, one user, one context, everything embedded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// Who the user of a kubeconfig is.
pub(crate) enum User<'a> {
    /// A client certificate and its key, both PEM.
    Certificate { cert_pem: &'a str, key_pem: &'a str },
    /// A bearer token.
    Token(&'a str),
}

/// Renders a kubeconfig for the API server at `url` whose certificate `ca_pem` has issued. `namespace` is what
/// kubectl assumes when none is given.
pub(crate) fn render(
    url: &str,
    ca_pem: &str,
    name: &str,
    user: &User<'_>,
    namespace: &str,
) -> anyhow::Result<String> {
    let user: Value = match user {
        User::Certificate { cert_pem, key_pem } => json!({
            "client-certificate-data": BASE64.encode(cert_pem),
            "client-key-data": BASE64.encode(key_pem),
        }),
        User::Token(token) => json!({ "token": token }),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "testcluster",
            "cluster": { "server": url, "certificate-authority-data": BASE64.encode(ca_pem) },
        }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{
            "name": "testcluster",
            "context": { "cluster": "testcluster", "user": name, "namespace": namespace },
        }],
        "current-context": "testcluster",
    });
    Ok(serde_yaml::to_string(&config)?)
}
