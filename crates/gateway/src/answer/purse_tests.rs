//! Accounts of answers with small shares.

use super::*;
use crate::shares::Shares;

fn purse(shares: Shares) -> Purse {
    let holder = Holder {
        caller: "caller".into(),
        namespace: "shop".into(),
    };
    Purse::new(Pool::new("bytes of answers", shares), holder)
}

const SMALL: Shares = Shares {
    caller: 1 << 20,
    namespace: 2 << 20,
    all: 4 << 20,
};

#[test]
fn what_is_gathered_is_accounted_until_the_last_reference_to_it_is_gone() {
    let purse = purse(SMALL);
    let mut gathered = purse.gather(1 << 20);
    for _ in 0..1_000 {
        gathered.push(&[b'x'; 100]).expect("room");
    }
    let used = purse.pool.used();
    assert!((100_000..=150_000).contains(&used), "{used}");
    let bytes = gathered.freeze();
    let part = bytes.slice(10..20);
    drop(bytes);
    assert_eq!(purse.pool.used(), used, "a part holds the whole");
    drop(part);
    assert_eq!(purse.pool.used(), 0);
}

#[test]
fn who_has_no_room_is_told_and_keeps_what_it_has() {
    let purse = purse(SMALL);
    let mut gathered = purse.gather(10 << 20);
    let problem = loop {
        if let Err(problem) = gathered.push(&[b'x'; 10_000]) {
            break problem;
        }
    };
    assert_eq!(
        (problem.status.as_u16(), problem.reason),
        (429, "CallerShare")
    );
    assert!(gathered.bytes().len() > 500_000);
    assert!(purse.pool.used() <= 1 << 20);
}

#[test]
fn a_text_is_written_as_json_writes_it_however_it_is_cut() {
    let purse = purse(SMALL);
    let text = "né\"\n\u{1}😀".repeat(5_000);
    let mut gathered = purse.gather(1 << 20);
    gathered.push_escaped(&text).expect("room");
    let quoted = serde_json::to_string(&text).expect("JSON");
    assert_eq!(gathered.bytes(), &quoted.as_bytes()[1..quoted.len() - 1]);
}

#[test]
fn a_message_counts_while_it_comes_and_short_ones_do_not() {
    let purse = purse(SMALL);
    let messages = purse.messages();
    let meter = messages.meter();
    assert!(meter(10_000));
    assert_eq!(purse.pool.used(), 0);
    assert!(meter(90_000));
    assert_eq!(purse.pool.used(), 100_000);
    messages.passed();
    assert_eq!(purse.pool.used(), 0);
    assert!(meter(1 << 20));
    assert!(!meter(1));
    assert!(messages.full().is_some());
    drop((messages, meter));
    assert_eq!(purse.pool.used(), 0);
}
