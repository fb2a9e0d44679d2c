//! Logs: one line an event, JSON unless told otherwise, filtered by RUST_LOG (default `info`). Spans: exported over OTLP where the
//! environment says where to (OpenTelemetry's own variables).

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::args::LogFormat;

/// Either of them turns the export on.
const OTLP_VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

static EXPORTS: AtomicBool = AtomicBool::new(false);

/// Whether spans are exported.
pub fn exports() -> bool {
    EXPORTS.load(Ordering::Relaxed)
}

/// Logs and spans until it is dropped, which sends what is left of the spans.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            eprintln!("agentcore-operator: some spans were not exported: {error}");
        }
    }
}

/// Starts logging to standard error, and exporting spans of `service` if the environment asks for it. Call once, outside a runtime: the
/// exporter has threads of its own.
pub fn init(format: LogFormat, service: &'static str) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("info,kube_runtime=warn,kube_runtime::controller=off,aws_config=warn,kube_lease_manager=warn,opentelemetry=warn")
    });
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let logs = match format {
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => logs.boxed(),
    };
    let provider = spans(service)?;
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(tells_no_bodies))
        .with(logs)
        .with(spans)
        .init();
    Ok(Telemetry(provider))
}

/// Below `debug` the libraries log what they send and receive, values of Secrets among it: whatever RUST_LOG says, only this program's
/// own lines of that level pass.
fn tells_no_bodies(line: &tracing::Metadata<'_>) -> bool {
    *line.level() != tracing::Level::TRACE || line.target().starts_with("agentcore")
}

/// The exporter, where the environment names a collector: OTLP over HTTP with protobuf.
fn spans(service: &'static str) -> anyhow::Result<Option<SdkTracerProvider>> {
    let wanted = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !OTLP_VARIABLES.into_iter().any(wanted) {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .build()
        .context("cannot export spans (OTEL_EXPORTER_OTLP_*)")?;
    // OTEL_SERVICE_NAME goes before this name.
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    EXPORTS.store(true, Ordering::Relaxed);
    Ok(Some(provider))
}
