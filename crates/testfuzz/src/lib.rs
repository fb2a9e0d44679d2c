//! Fuzzing on a stable toolchain: a target is a test in a module named `fuzz` that hands its check to [`fuzz`].
//!
//! ```no_run
//! testfuzz::fuzz("numbers", |input| {
//!     let Ok(number) = String::from_utf8_lossy(input).parse::<u64>() else {
//!         return Ok(false);
//!     };
//!     testfuzz::prop_assert_eq!(number.to_string().parse(), Ok(number));
//!     Ok(true)
//! });
//! ```
//!
//! All of `corpus/TARGET/` is checked first, then inputs that `edit` makes of it, by proptest, which also makes a failing one smaller. That one is
//! printed and put into the corpus, where it fails again until the fault is mended, and is a regression test from then on.

mod edit;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::strategy::Just;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

pub use proptest::test_runner::TestCaseError;
pub use proptest::{prop_assert, prop_assert_eq};

/// For how many whole seconds each target is given inputs that differ each time. Without it: [`INPUTS`], the same each time, so that a change fails by
/// its own faults only.
const SECONDS: &str = "AGENTCORE_FUZZ_SECONDS";
/// Inputs of a round: a second or two for the slowest target.
const INPUTS: u32 = 500;
/// Longest that a check may take: many thousand times the usual, so that a busy machine is no finding.
const SLOW: Duration = Duration::from_secs(10);

/// Whether an input came past the first parse, or what is wrong.
pub type Checked = Result<bool, TestCaseError>;

/// Checks a target's corpus, and edits of it: one round, or for as long as `AGENTCORE_FUZZ_SECONDS` says.
///
/// # Panics
/// A check fails, panics or takes longer than 10 s; or fewer than one in fifty inputs come past the first parse: then the target tests little.
pub fn fuzz(target: &str, check: impl Fn(&[u8]) -> Checked) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let (inputs, deep) = (Cell::new(0_u64), Cell::new(0_u64));
    let checked = |input: &[u8]| {
        let begun = Instant::now();
        let past = check(input)?;
        prop_assert!(begun.elapsed() < SLOW, "took {:?}", begun.elapsed());
        inputs.set(inputs.get() + 1);
        deep.set(deep.get() + u64::from(past));
        Ok(())
    };
    let config = |cases| Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let corpus = corpus(&folder);
    for (path, input) in &corpus {
        if let Err(error) = TestRunner::new(config(1)).run(&Just(()), |()| checked(input)) {
            panic!("{}: {error}", path.display());
        }
    }
    let seconds = std::env::var(SECONDS).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|error| panic!("{SECONDS}={text}: {error}"))
    });
    let edited = edit::edited(corpus.into_iter().map(|(_, input)| input).collect());
    let (begun, time) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(0)));
    loop {
        // A new one for each round: one that has passed its inputs does nothing more.
        let mut runner = match seconds {
            Some(_) => TestRunner::new(config(INPUTS)),
            None => TestRunner::new_with_rng(
                config(INPUTS),
                TestRng::deterministic_rng(RngAlgorithm::ChaCha),
            ),
        };
        match runner.run(&edited, |input| checked(&input)) {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => found(&folder, &input, &why.to_string()),
            Err(TestError::Abort(why)) => panic!("{target}: {why}"),
        }
        if begun.elapsed() >= time {
            break;
        }
    }
    let (inputs, deep, took) = (inputs.get(), deep.get(), begun.elapsed());
    println!(
        "{target}: {inputs} inputs in {took:.1?}, {} % past the first parse",
        deep * 100 / inputs
    );
    assert!(
        deep * 50 >= inputs,
        "{target}: too few inputs come past the first parse"
    );
}

/// Every input of a target's corpus, by its file.
fn corpus(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let read = |path: PathBuf| std::fs::read(&path).ok().map(|input| (path, input));
    paths.into_iter().filter_map(read).collect()
}

/// Keeps an input that fails, and says which.
fn found(folder: &Path, input: &[u8], why: &str) -> ! {
    let mut path = folder.join("found");
    for number in 2.. {
        if !path.exists() {
            break;
        }
        path.set_file_name(format!("found-{number}"));
    }
    let kept = std::fs::write(&path, input)
        .map_or_else(|error| error.to_string(), |()| "written".to_owned());
    panic!(
        "{why}\n\nThe input, as bytes of Rust or Python, is\n\n  b\"{}\"\n\nIt is a regression test as a file of this folder: {} ({kept})",
        input.escape_ascii(),
        path.display()
    );
}
