//! Where spans go, as OpenTelemetry's own variables say: over OTLP with HTTP or gRPC, once an endpoint is named or
//! `OTEL_TRACES_EXPORTER` is `otlp`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};

use super::grpc::Grpc;

/// Either of them turns the export on.
pub(super) const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// The first that is set says how.
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

/// Exports spans of `service`, where the environment asks for it.
///
/// # Errors
/// When it asks for what this program cannot do.
pub(super) fn provider(service: &'static str) -> anyhow::Result<Option<SdkTracerProvider>> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(protocol) = protocol(variable)? else {
        return Ok(None);
    };
    // OTEL_SERVICE_NAME goes before this name.
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let builder = SdkTracerProvider::builder().with_resource(resource.build());
    let builder = if protocol == Protocol::Grpc {
        builder.with_batch_exporter(Told::new(Grpc::new(&variable)?))
    } else {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(protocol)
            .build()
            .context("OTEL_EXPORTER_OTLP_*")?;
        builder.with_batch_exporter(Told::new(exporter))
    };
    Ok(Some(builder.build()))
}

/// The first of these variables that is set, in lower case. An empty one counts as one that is not (OpenTelemetry's specification).
pub(super) fn first<const N: usize>(
    variable: &impl Fn(&str) -> Option<String>,
    names: [&str; N],
) -> Option<String> {
    names.into_iter().find_map(|name| {
        let value = variable(name)?.trim().to_ascii_lowercase();
        (!value.is_empty()).then_some(value)
    })
}

/// How spans are sent; nothing where none are.
fn protocol(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Protocol>> {
    let said = |name| first(&variable, [name]);
    if said("OTEL_SDK_DISABLED").is_some_and(|value| value == "true") {
        return Ok(None);
    }
    match said("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => return Ok(None),
        None if first(&variable, ENDPOINTS).is_none() => return Ok(None),
        None | Some("otlp") => {}
        Some(other) => bail!("OTEL_TRACES_EXPORTER is {other}: expected otlp or none"),
    }
    match first(&variable, PROTOCOLS).as_deref() {
        None | Some("http/protobuf") => Ok(Some(Protocol::HttpBinary)),
        Some("http/json") => Ok(Some(Protocol::HttpJson)),
        Some("grpc") => Ok(Some(Protocol::Grpc)),
        Some(other) => bail!(
            "OTEL_EXPORTER_OTLP_PROTOCOL is {other}: expected http/protobuf, http/json or grpc"
        ),
    }
}

/// An exporter whose failures are logged: the first of a series, and how many spans it cost once it is over.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    lost: AtomicU64,
}

impl<E> Told<E> {
    const fn new(exporter: E) -> Self {
        Self {
            exporter,
            lost: AtomicU64::new(0),
        }
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.exporter.export(batch).await;
        match &sent {
            Err(error) => {
                if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "cannot export spans");
                }
            }
            Ok(()) => match self.lost.swap(0, Ordering::Relaxed) {
                0 => {}
                lost => tracing::info!(lost, "exporting spans again"),
            },
        }
        sent
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

    fn asked(variables: &[(&str, &str)]) -> anyhow::Result<Option<Protocol>> {
        protocol(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_mean_what_the_specification_says() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (variables, meant) in [
            (&[ENDPOINT][..], Some(Protocol::HttpBinary)),
            (&[], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None),
            (
                &[("OTEL_TRACES_EXPORTER", "otlp")],
                Some(Protocol::HttpBinary),
            ),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], None),
            (&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], None),
            (
                &[ENDPOINT, ("OTEL_SDK_DISABLED", "1")],
                Some(Protocol::HttpBinary),
            ),
            (
                &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
                Some(Protocol::HttpJson),
            ),
            (
                &[
                    ENDPOINT,
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ],
                Some(Protocol::HttpBinary),
            ),
            (
                &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
                Some(Protocol::Grpc),
            ),
        ] {
            assert_eq!(
                asked(variables).expect("understood"),
                meant,
                "{variables:?}"
            );
        }
        for refused in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = asked(&[ENDPOINT, refused]).expect_err("not supported");
            assert!(error.to_string().contains(refused.1), "{error}");
        }
    }
}
