//! Metrics of looks at repositories.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, Opts};

use agentcore_aws::Scan;

/// Beyond a few intervals without a look, nobody follows the repository any more.
const INTERVALS: u32 = 4;
/// Room for pauses after failures.
const PAUSES: Duration = Duration::from_mins(10);

/// Looks, counted, and how old the last good one is.
pub struct Scans {
    total: IntCounterVec,
    followed: Mutex<BTreeMap<String, Followed>>,
}

/// A repository that somebody follows.
struct Followed {
    /// The last good look, or the first of all.
    since: Instant,
    interval: Duration,
    until: Instant,
}

impl Scans {
    /// Nothing was looked at yet.
    pub fn new() -> prometheus::Result<Self> {
        let help = "Looks at image repositories: success, incomplete, or the reason of a failure.";
        Ok(Self {
            total: IntCounterVec::new(
                Opts::new("image_scan_total", help).namespace("agentcore"),
                &["result"],
            )?,
            followed: Mutex::default(),
        })
    }

    /// A look ended.
    pub fn ended(&self, scan: &Scan<'_>) {
        let Scan {
            repository,
            result,
            interval,
        } = *scan;
        self.total.with_label_values(&[result]).inc();
        let mut followed = self.followed.lock();
        let now = Instant::now();
        let good = matches!(result, "success" | "incomplete");
        if let Some(interval) = interval {
            let until = now + interval * INTERVALS + PAUSES;
            let entry = followed.entry(repository.to_owned()).or_insert(Followed {
                since: now,
                interval,
                until,
            });
            (entry.interval, entry.until) = (interval, until);
        }
        if let Some(entry) = followed.get_mut(repository).filter(|_| good) {
            entry.since = now;
        }
    }

    /// The metric families.
    pub fn families(&self) -> prometheus::Result<Vec<MetricFamily>> {
        let help = "Seconds since the last successful scan of a followed repository.";
        let ages = GaugeVec::new(
            Opts::new("image_scan_age_seconds", help).namespace("agentcore"),
            &["repository"],
        )?;
        let help = "Seconds between looks at a repository that is followed.";
        let intervals = GaugeVec::new(
            Opts::new("image_scan_interval_seconds", help).namespace("agentcore"),
            &["repository"],
        )?;
        let now = Instant::now();
        let mut followed = self.followed.lock();
        followed.retain(|_, entry| entry.until > now);
        for (repository, entry) in followed.iter() {
            let age = now.duration_since(entry.since).as_secs_f64();
            ages.with_label_values(&[repository]).set(age);
            let interval = entry.interval.as_secs_f64();
            intervals.with_label_values(&[repository]).set(interval);
        }
        Ok([self.total.collect(), ages.collect(), intervals.collect()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of a family, by the repository.
    fn figures(scans: &Scans, name: &str) -> Vec<(String, f64)> {
        let families = scans.families().expect("metrics");
        let wanted = families.iter().filter(|family| family.name() == name);
        wanted
            .flat_map(MetricFamily::get_metric)
            .map(|metric| {
                let repository = metric.get_label()[0].value().to_owned();
                (repository, metric.get_gauge().get_value())
            })
            .collect()
    }

    #[test]
    fn a_repository_has_an_age_and_an_interval_while_somebody_follows_it() {
        let scans = Scans::new().expect("metrics");
        let look = |interval: Option<u64>| {
            scans.ended(&Scan {
                repository: "support",
                result: "success",
                interval: interval.map(Duration::from_secs),
            });
        };
        look(None);
        assert_eq!(figures(&scans, "agentcore_image_scan_age_seconds"), []);
        look(Some(300));
        look(Some(60));
        let intervals = figures(&scans, "agentcore_image_scan_interval_seconds");
        assert_eq!(intervals, [("support".to_owned(), 60.0)]);
        let ages = figures(&scans, "agentcore_image_scan_age_seconds");
        assert!(ages.len() == 1 && ages[0].1 < 60.0, "{ages:?}");
    }
}
