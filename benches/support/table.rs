//! The table of a bench: what is asked, what was measured, and whether that is good. A miss is shown as a miss and makes the program
//! fail at its end.

use std::time::Duration;

/// Figures, printed as they come.
#[derive(Default)]
pub struct Table {
    figures: usize,
    missed: usize,
}

impl Table {
    /// Prints the head.
    pub fn begin() -> Self {
        line("figure", "asked", "measured", "");
        Self::default()
    }

    /// A figure that something is asked of.
    pub fn row(
        &mut self,
        what: &str,
        asked: impl AsRef<str>,
        measured: impl AsRef<str>,
        good: bool,
    ) {
        self.figures += 1;
        self.missed += usize::from(!good);
        let verdict = if good { "ok" } else { "MISSED" };
        line(what, asked.as_ref(), measured.as_ref(), verdict);
    }

    /// A figure that explains others.
    #[allow(clippy::unused_self)] // it is a line of the table
    pub fn told(&mut self, what: &str, measured: impl AsRef<str>) {
        line(what, "", measured.as_ref(), "");
    }

    /// Prints the sum and ends the process.
    pub fn end(self) -> ! {
        println!("{} figures, {} missed", self.figures, self.missed);
        std::process::exit(i32::from(self.missed > 0));
    }
}

fn line(what: &str, asked: &str, measured: &str, verdict: &str) {
    println!("{what:<52} {asked:>20} {measured:>28}  {verdict}");
}

/// The WORD of `cargo bench -- --filter WORD`, past the harness flags that cargo passes on; empty when absent.
pub fn filter() -> String {
    std::env::args()
        .skip_while(|word| word != "--filter")
        .nth(1)
        .unwrap_or_default()
}

/// Seconds, one digit.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Milliseconds, two digits.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
