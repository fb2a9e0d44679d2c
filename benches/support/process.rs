//! A process as `/proc` shows it: memory, descriptors, processor time. Sizes are bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// 10^6 bytes.
pub const MB: u64 = 1_000_000;
/// Ticks of `/proc/PID/stat` in a second: the kernel's `USER_HZ`, the same on all Linux machines.
const TICKS: f64 = 100.0;

/// Memory that is in RAM now.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The same in MB.
pub fn resident_mb(pid: u32) -> u64 {
    resident(pid) / MB
}

/// Open file descriptors.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("descriptors of the process")
        .count()
}

/// Processor time that was used, by user and kernel together.
pub fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat of the process");
    // The name, in parentheses, may hold spaces.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let ticks: f64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().expect("ticks"))
        .sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status of the process");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the line of the status");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number");
    kib * 1024
}

/// The most memory of a process from now on. The kernel's own mark is used where it may be reset, else the memory is looked at often.
pub struct Peak {
    pid: u32,
    watch: Option<(Arc<AtomicBool>, JoinHandle<u64>)>,
}

impl Peak {
    /// Begins.
    pub fn of(pid: u32) -> Self {
        let reset = std::fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok();
        let watch = (!reset).then(|| {
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let watch = std::thread::spawn(move || {
                let mut most = 0;
                while !stopped.load(Ordering::Relaxed) {
                    most = most.max(resident(pid));
                    std::thread::sleep(Duration::from_millis(2));
                }
                most
            });
            (stop, watch)
        });
        Self { pid, watch }
    }

    /// Ends; the most that was seen.
    pub fn end(self) -> u64 {
        match self.watch {
            None => status(self.pid, "VmHWM:"),
            Some((stop, watch)) => {
                stop.store(true, Ordering::Relaxed);
                watch.join().expect("the watch of memory")
            }
        }
    }
}
