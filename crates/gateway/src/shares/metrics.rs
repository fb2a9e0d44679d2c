//! What metrics say of the pools: read at each scrape, so that taking from a pool counts nothing twice. A label names a pool or whose share it
//! is, never a caller or a namespace.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::{Pool, WHOSE};

/// What a pool says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How much is held by all, in the pool's own unit.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
    /// How often somebody was refused since the process began: over the caller's share, the namespace's, everybody's.
    pub refused: [u64; 3],
}

type Source = Box<dyn Fn() -> Reading + Send + Sync>;

/// The metrics of all pools.
#[derive(Clone)]
pub struct ShareMetrics(Arc<Inner>);

struct Inner {
    used: IntGaugeVec,
    limit: IntGaugeVec,
    refused: IntCounterVec,
    sources: Mutex<Vec<(&'static str, Source)>>,
}

impl ShareMetrics {
    /// Of no pool yet.
    ///
    /// # Errors
    /// A name that is no name of a metric; a test would fail first.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self(Arc::new(Inner {
            used: IntGaugeVec::new(
                Opts::new(
                    "gateway_share_used",
                    "How much of what callers share is held, in bytes, places or records.",
                ),
                &["pool"],
            )?,
            limit: IntGaugeVec::new(
                Opts::new(
                    "gateway_share_limit",
                    "Size of what callers share, in bytes, places or records.",
                ),
                &["pool"],
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "gateway_share_refused_total",
                    "How often somebody was refused, by whose share was used up.",
                ),
                &["pool", "whose"],
            )?,
            sources: Mutex::default(),
        })))
    }

    /// Shows a pool under this name.
    pub fn pool(&self, label: &'static str, pool: &Arc<Pool>) {
        let pool = pool.clone();
        self.watch(label, move || pool.reading());
    }

    /// Shows something else that callers share.
    pub fn watch(&self, label: &'static str, read: impl Fn() -> Reading + Send + Sync + 'static) {
        self.0.sources.lock().push((label, Box::new(read)));
    }

    fn read(&self) {
        let figure = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (label, read) in &*self.0.sources.lock() {
            let Reading {
                used,
                limit,
                refused,
            } = read();
            self.0.used.with_label_values(&[*label]).set(figure(used));
            self.0.limit.with_label_values(&[*label]).set(figure(limit));
            for (whose, count) in WHOSE.iter().zip(refused) {
                let counter = self.0.refused.with_label_values(&[*label, *whose]);
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        }
    }
}

impl Collector for ShareMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let Inner {
            used,
            limit,
            refused,
            sources: _,
        } = &*self.0;
        [used.desc(), limit.desc(), refused.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read();
        let Inner {
            used,
            limit,
            refused,
            sources: _,
        } = &*self.0;
        [used.collect(), limit.collect(), refused.collect()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Holder, Shares};
    use super::*;

    #[test]
    fn a_pool_is_shown_with_what_is_held_what_there_is_and_who_was_refused() {
        let metrics = ShareMetrics::new().expect("metrics");
        let pool = Pool::new("places", Shares::of(8));
        metrics.pool("places", &pool);
        let holder = Holder {
            caller: "secret-caller".into(),
            namespace: "secret-namespace".into(),
        };
        let _held = pool.take(&holder, 2).expect("room");
        assert!(pool.take(&holder, 1).is_err());
        for _ in 0..2 {
            let shown = format!("{:?}", metrics.collect());
            assert!(!shown.contains("secret"), "{shown}");
            let value = |whose| {
                let counter = metrics.0.refused.with_label_values(&["places", whose]);
                counter.get()
            };
            assert_eq!(
                [value("caller"), value("namespace"), value("all")],
                [1, 0, 0]
            );
            assert_eq!(metrics.0.used.with_label_values(&["places"]).get(), 2);
            assert_eq!(metrics.0.limit.with_label_values(&["places"]).get(), 8);
        }
    }
}
