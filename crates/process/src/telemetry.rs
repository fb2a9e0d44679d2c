//! Logs: one line an event, JSON unless told otherwise, filtered by RUST_LOG (default `info`). Spans: exported over OTLP where the
//! environment says where to (OpenTelemetry's own variables).
//!
//! The libraries log what they send and receive, values of Secrets among it, and some do it at the level of warnings. Whatever RUST_LOG
//! says, only this program's own lines and spans are told as they are (`foreign`).
//!
//! Lines are written by a thread of their own, so that requests neither wait for each other's nor for whoever reads them. Where that one
//! does not keep up for thousands of lines, requests do wait: no line is lost while the process lives.

mod export;
mod filter;
mod foreign;
mod grpc;

use std::io::{self, BufWriter, IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::LogFormat;
use foreign::{Named, is_ours, may_be_told};

/// Lines that may wait to be written.
const LINES: usize = 8192;
/// How long further lines are gathered after some were written.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// Bytes that are written at once, unless a line is longer.
const WRITTEN_AT_ONCE: usize = 64 << 10;

static EXPORTS: AtomicBool = AtomicBool::new(false);

/// Whether spans are exported.
pub fn exports() -> bool {
    EXPORTS.load(Ordering::Relaxed)
}

/// Logs and spans until it is dropped, which writes and sends what is left of them.
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
    /// Dropped last.
    _lines: WorkerGuard,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.spans
            && let Err(error) = provider.shutdown()
        {
            eprintln!("agentcore-operator: some spans were not exported: {error}");
        }
    }
}

/// Starts logging to standard error, and exporting spans of `service` if the environment asks for it. Call once, outside a runtime: the
/// exporter has threads of its own.
pub fn init(format: LogFormat, service: &'static str) -> anyhow::Result<Telemetry> {
    let (writer, lines) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(Gathering(BufWriter::with_capacity(
            WRITTEN_AT_ONCE,
            io::stderr(),
        )));
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(io::stderr().is_terminal());
    let logs = match format {
        LogFormat::Json => logs
            .event_format(Named::Json(json()))
            .fmt_fields(JsonFields::new())
            .boxed(),
        LogFormat::Text => logs.event_format(Named::Text(Format::default())).boxed(),
    };
    let (provider, refused) = match export::provider(service) {
        Ok(provider) => (provider, None),
        Err(error) => (None, Some(error)),
    };
    // A library's warning would be an event of the span that it came in, with its text.
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(service))
            .with_filter(filter_fn(is_ours))
    });
    tracing_subscriber::registry()
        .with(filter::from_environment())
        .with(filter_fn(may_be_told))
        .with(logs)
        .with(spans)
        .init();
    if provider.is_some() {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        EXPORTS.store(true, Ordering::Relaxed);
    }
    if let Some(error) = refused {
        // Agents are called all the same.
        tracing::warn!(error = format!("{error:#}"), "no spans are exported");
    }
    Ok(Telemetry {
        spans: provider,
        _lines: lines,
    })
}

/// Standard error, written to at most once in a while: the first line at once, the next ones together.
struct Gathering(BufWriter<Stderr>);

impl Write for Gathering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(GATHERED_FOR);
        Ok(())
    }
}

fn json() -> Format<Json> {
    Format::default()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
}
