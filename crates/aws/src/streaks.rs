//! Faults in a row of each operation, so that the pause after one says nothing of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::operation::Operation;

/// Faults in a row of one object's calls. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Streaks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Under `None` what failed without a call.
    faults: BTreeMap<Option<Operation>, u32>,
    last: Option<Operation>,
}

impl Streaks {
    /// A pass begins: nothing has failed in it.
    pub fn begin(&self) {
        self.0.lock().last = None;
    }

    /// A call was answered, well or badly.
    pub fn answered(&self, operation: Operation, good: bool) {
        let mut state = self.0.lock();
        if good {
            state.faults.remove(&Some(operation));
        }
        state.last = (!good).then_some(operation);
    }

    /// How often in a row that failed before which failed last.
    pub fn faults(&self) -> u32 {
        let state = self.0.lock();
        state.faults.get(&state.last).copied().unwrap_or_default()
    }

    /// What failed last counts once more; says how often in a row it failed.
    pub fn count(&self) -> u32 {
        let mut state = self.0.lock();
        let last = state.last;
        let faults = state.faults.entry(last).or_default();
        *faults = faults.saturating_add(1);
        *faults
    }

    /// All is well.
    pub fn clear(&self) {
        self.0.lock().faults.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_a_streak_of_its_own_that_an_answer_ends() {
        let streaks = Streaks::default();
        let fails = |operation| {
            streaks.begin();
            streaks.answered(operation, false);
            let before = streaks.faults();
            streaks.count();
            before
        };
        let (ecr, create) = (Operation::BatchGetImage, Operation::CreateAgentRuntime);
        assert_eq!([fails(ecr), fails(ecr), fails(ecr)], [0, 1, 2]);
        assert_eq!(fails(create), 0, "another service's faults are not its own");
        assert_eq!(fails(create), 1);
        streaks.answered(ecr, true);
        assert_eq!(
            fails(create),
            2,
            "an answer of another is no progress of its own"
        );
        assert_eq!(fails(ecr), 0);
        streaks.begin();
        assert_eq!(streaks.faults(), 0, "nothing has failed in this pass");
        streaks.clear();
        assert_eq!(fails(create), 0);
    }
}
