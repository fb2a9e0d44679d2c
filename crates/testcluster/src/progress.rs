//! Lines for the person who waits.

use std::io::Write as _;

/// Writes one line to standard error.
///
/// Not `eprintln!`: the test harness swallows that, and a first build that takes minutes must not look hung.
pub(crate) fn say(line: &str) {
    // With nobody reading standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "testcluster: {line}");
}
