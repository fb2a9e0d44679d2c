use std::time::Duration;

use agentcore_api::reasons;
use agentcore_plan::fault::Class;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{ATTEMPTS, Attempts};
use crate::classify::fault;
use crate::operation::Operation;

/// Calls of a create with a tag: two of ECR for the tag, two for the image, list, create, and what shows that it is READY.
const CALLS: usize = 14;

#[test]
fn with_half_of_all_calls_throttled_a_create_waits_for_seconds() {
    let mut random = StdRng::seed_from_u64(7);
    let throttled = fault(Class::Throttled, reasons::THROTTLED, "Throttling", "");
    let mut waits: Vec<Duration> = (0..2000)
        .map(|_| {
            let mut waited = Duration::ZERO;
            let mut left = CALLS;
            while left > 0 {
                let mut attempts = Attempts::default();
                while random.random_bool(0.5) {
                    if let Some(pause) = attempts.pause(Operation::GetAgentRuntime, &throttled) {
                        waited += pause;
                    } else {
                        // The pass rests, and begins anew with this call.
                        waited += Duration::from_secs(1);
                        attempts = Attempts::default();
                    }
                }
                left -= 1;
            }
            waited
        })
        .collect();
    waits.sort();
    let p95 = waits[waits.len() * 95 / 100];
    assert!(p95 < Duration::from_secs(15), "{p95:?}");
}

#[test]
fn attempts_come_to_an_end() {
    let throttled = fault(Class::Throttled, reasons::THROTTLED, "Throttling", "");
    let mut attempts = Attempts::default();
    let mut most = Duration::from_millis(250);
    let mut all = Duration::ZERO;
    for _ in 1..ATTEMPTS {
        let pause = attempts.pause(Operation::CreateAgentRuntime, &throttled);
        let pause = pause.expect("another attempt");
        assert!(pause <= most, "{pause:?}");
        all += pause;
        most *= 2;
    }
    // However chance has it, a quota of one call a second has had a token.
    assert!(all >= Duration::from_secs(2), "{all:?}");
    assert_eq!(
        attempts.pause(Operation::CreateAgentRuntime, &throttled),
        None
    );
}

#[test]
fn only_what_may_be_over_in_a_moment_is_tried_again() {
    let answers = |operation, class, code| {
        let fault = fault(class, reasons::UNKNOWN_ERROR, code, "");
        Attempts::default().pause(operation, &fault).is_some()
    };
    let (get, create) = (Operation::GetAgentRuntime, Operation::CreateAgentRuntime);
    assert!(answers(create, Class::Throttled, "ThrottlingException"));
    assert!(answers(get, Class::Transient, "InternalServerException"));
    assert!(answers(get, Class::Transient, "Dispatch"));
    // It may have had its effect.
    assert!(!answers(
        create,
        Class::Transient,
        "InternalServerException"
    ));
    assert!(!answers(get, Class::Transient, "Timeout"));
    for class in [
        Class::NotYet,
        Class::Conflict,
        Class::Gone,
        Class::Denied,
        Class::Invalid,
        Class::Quota,
        Class::Unknown,
    ] {
        assert!(!answers(get, class, "Some"), "{class:?}");
    }
}
