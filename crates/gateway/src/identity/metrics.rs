//! How often callers are asked about, and how long that takes.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

use super::Denied;

/// From an API server at hand to one that takes the whole limit.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Which review.
#[derive(Clone, Copy)]
pub(super) enum Review {
    /// TokenReview.
    Token,
    /// SubjectAccessReview.
    Access,
}

impl Review {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Access => "access",
        }
    }
}

/// Counts for metrics.
pub(super) struct ReviewMetrics {
    lookups: IntCounterVec,
    seconds: HistogramVec,
    token: [IntCounter; 2],
    access: [IntCounter; 2],
}

impl ReviewMetrics {
    pub(super) fn new() -> Self {
        let lookups = IntCounterVec::new(
            Opts::new(
                "gateway_review_lookups_total",
                "Questions about callers, by whether the answer was remembered.",
            ),
            &["review", "result"],
        )
        .expect("the name and the labels are well-formed");
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "gateway_review_duration_seconds",
                "Time of a TokenReview or SubjectAccessReview, waiting for a turn included.",
            )
            .buckets(BUCKETS.to_vec()),
            &["review", "result"],
        )
        .expect("the name, the labels and the buckets are well-formed");
        let pair = |review: Review| {
            ["hit", "miss"].map(|result| lookups.with_label_values(&[review.as_str(), result]))
        };
        Self {
            token: pair(Review::Token),
            access: pair(Review::Access),
            lookups,
            seconds,
        }
    }

    pub(super) fn lookup(&self, review: Review, hit: bool) {
        let [hits, misses] = match review {
            Review::Token => &self.token,
            Review::Access => &self.access,
        };
        if hit { hits.inc() } else { misses.inc() }
    }

    /// A review that took this long, and what became of it.
    pub(super) fn review(&self, review: Review, took: Duration, denied: Option<&Denied>) {
        let result = match denied {
            None => "allowed",
            Some(Denied::Unavailable(_)) => "unavailable",
            Some(_) => "refused",
        };
        self.seconds
            .with_label_values(&[review.as_str(), result])
            .observe(took.as_secs_f64());
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.lookups.clone()),
            Box::new(self.seconds.clone()),
        ]
    }
}
