//! Lines for the person who waits.

use std::io::Write as _;
use std::time::Duration;

/// Writes one line to standard error.
///
/// Not `eprintln!`: the test harness swallows that, and a first build that takes minutes must not look hung.
pub(crate) fn say(line: &str) {
    // With nobody reading standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "testcluster: {line}");
}

/// How much of `total` is done after `elapsed`, and how long the rest takes if it goes on like that.
pub(crate) fn share(done: u64, total: u64, elapsed: Duration) -> String {
    let percent = (done * 100).checked_div(total).unwrap_or(100).min(100);
    let left = (elapsed.as_secs() * total.saturating_sub(done)).checked_div(done);
    match left {
        None => format!("{percent} %"),
        Some(seconds) if seconds < 100 => format!("{percent} %, about {seconds} s left"),
        Some(seconds) => format!("{percent} %, about {} min left", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let after = |done, seconds| share(done, 1200, Duration::from_secs(seconds));
        assert_eq!(after(0, 5), "0 %");
        assert_eq!(after(300, 60), "25 %, about 3 min left");
        assert_eq!(after(900, 60), "75 %, about 20 s left");
        // More than was thought: it is nearly done.
        assert_eq!(after(1300, 60), "100 %, about 0 s left");
        assert_eq!(share(0, 0, Duration::ZERO), "100 %");
    }
}
