//! What is told of the lines of libraries: that there was a warning or an error, of which library, and where in its source. Their texts
//! and fields hold bodies of requests and answers.

use std::fmt;

use serde_json::json;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Crates of this repository, as the targets of their lines begin.
pub(super) const OURS: [&str; 9] = [
    "agentcore_operator",
    "agentcore_api",
    "agentcore_aws",
    "agentcore_cluster",
    "agentcore_controller",
    "agentcore_gateway",
    "agentcore_invoke",
    "agentcore_plan",
    "agentcore_process",
];

/// Whether a line or span is this program's own.
pub(super) fn is_ours(line: &Metadata<'_>) -> bool {
    let target = line.target();
    OURS.into_iter().any(|name| {
        let rest = target.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

/// Whether anything is told of it at all.
pub(super) fn may_be_told(line: &Metadata<'_>) -> bool {
    is_ours(line) || line.is_event() && *line.level() <= Level::WARN
}

/// Formats this program's lines as they are, and those of libraries by name alone.
pub(super) enum Named {
    Json(Format<Json>),
    Text(Format<Full>),
}

impl<S, N> FormatEvent<S, N> for Named
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = event.metadata();
        match self {
            Self::Json(format) if is_ours(line) => format.format_event(context, writer, event),
            Self::Text(format) if is_ours(line) => format.format_event(context, writer, event),
            Self::Json(_) => {
                let mut time = String::new();
                SystemTime.format_time(&mut Writer::new(&mut time))?;
                let named = json!({
                    "timestamp": time,
                    "level": line.level().as_str(),
                    "message": SAYS,
                    "target": line.target(),
                    "file": line.file(),
                    "line": line.line(),
                });
                writeln!(writer, "{named}")
            }
            Self::Text(_) => {
                SystemTime.format_time(&mut writer)?;
                let (file, number) = (line.file().unwrap_or_default(), line.line());
                let (level, target) = (line.level(), line.target());
                writeln!(
                    writer,
                    " {level:>5} {target}: {SAYS} file={file:?} line={}",
                    number.unwrap_or_default()
                )
            }
        }
    }
}

const SAYS: &str = "a library logged a problem; its text may contain payloads and is omitted";

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{EnvFilter, Layer as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of `say` with RUST_LOG=trace.
    fn written(named: Named, json: bool, say: impl FnOnce()) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || to.clone())
            .with_ansi(false);
        let layer = if json {
            let layer = layer.event_format(named).fmt_fields(JsonFields::new());
            layer.boxed()
        } else {
            layer.event_format(named).boxed()
        };
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("trace"))
            .with(filter_fn(may_be_told))
            .with(layer);
        tracing::subscriber::with_default(subscriber, say);
        let bytes = lines.0.lock().clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn say() {
        let inner = tracing::info_span!(target: "kube_client::client", "HTTP", url = "s3cret");
        inner.in_scope(|| {
            tracing::warn!(target: "kube_client::client", token = "s3cret", "{}", "s3cret body");
            tracing::error!(target: "agentcoreish", "s3cret");
            tracing::debug!(target: "hyper::proto", "s3cret");
            tracing::info!(target: "agentcore_cluster::client", name = "support", "seen");
        });
    }

    #[test]
    fn of_libraries_only_the_name_is_told() {
        for json in [true, false] {
            let named = if json {
                Named::Json(super::super::json())
            } else {
                Named::Text(Format::default())
            };
            let text = written(named, json, say);
            assert!(!text.contains("s3cret"), "{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains("kube_client::client"), "{text}");
            assert!(text.contains("foreign.rs"), "{text}");
            assert!(text.contains("support") && text.contains("seen"), "{text}");
        }
    }
}
