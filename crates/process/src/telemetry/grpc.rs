//! Spans over OTLP with gRPC. The library reads endpoint, headers, compression and time-out from OpenTelemetry's variables by itself.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanData;
use tokio::runtime::{Builder, Runtime};

use super::export::{ENDPOINTS, first};

const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
/// Of an endpoint without a scheme.
const INSECURE: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_INSECURE",
];

/// An exporter with a runtime for its connection: the SDK exports on a thread that has none.
#[derive(Debug)]
pub(super) struct Grpc {
    exporter: SpanExporter,
    /// The library bounds an answer, but not the time that a connection takes.
    timeout: Duration,
    /// Dropped last.
    runtime: Runtime,
}

impl Grpc {
    /// As the variables say.
    ///
    /// # Errors
    /// When the endpoint is no URL, or no root certificates are found for it.
    pub(super) fn new(variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("spans")
            .enable_all()
            .build()
            .context("no thread for spans")?;
        let mut builder = SpanExporter::builder().with_tonic();
        if encrypted(variable) {
            // The system's certificates, or those of SSL_CERT_FILE, as over HTTP.
            builder = builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
        }
        let entered = runtime.enter();
        let exporter = builder.build().context("OTEL_EXPORTER_OTLP_*")?;
        drop(entered);
        let milliseconds = first(variable, TIMEOUTS).and_then(|value| value.parse().ok());
        Ok(Self {
            exporter,
            timeout: milliseconds.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis),
            runtime,
        })
    }
}

/// Whether the endpoint is spoken to over TLS; the default one is not.
fn encrypted(variable: &impl Fn(&str) -> Option<String>) -> bool {
    first(variable, ENDPOINTS).is_some_and(|endpoint| match endpoint.split_once("://") {
        Some((scheme, _)) => scheme == "https",
        None => first(variable, INSECURE).as_deref() != Some("true"),
    })
}

impl opentelemetry_sdk::trace::SpanExporter for Grpc {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = {
            let _entered = self.runtime.enter();
            tokio::time::timeout(self.timeout, self.exporter.export(batch))
        };
        sent.await
            .unwrap_or(Err(OTelSdkError::Timeout(self.timeout)))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_spoken_where_the_endpoint_says_so() {
        const INSECURE: (&str, &str) = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        let of = |name, value| vec![(name, value)];
        let endpoint = |value| of("OTEL_EXPORTER_OTLP_ENDPOINT", value);
        let traces = |value| of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", value);
        for (variables, over_tls) in [
            (vec![], false),
            (endpoint("http://collector:4317"), false),
            (endpoint("HTTPS://collector:4317"), true),
            (endpoint("collector:4317"), true),
            ([endpoint("collector:4317"), vec![INSECURE]].concat(), false),
            (
                [endpoint("https://collector"), vec![INSECURE]].concat(),
                true,
            ),
            (
                [endpoint("https://collector"), traces("http://other")].concat(),
                false,
            ),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(encrypted(&variable), over_tls, "{variables:?}");
        }
    }
}
