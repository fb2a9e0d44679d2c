//! Visits every state that can be reached, the nearest first.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, RandomState};

/// Something with states.
pub trait Model {
    type State: Clone + Hash + Debug;
    type Action: Copy + Debug;

    fn start(&self) -> Self::State;
    /// What may happen in this state.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;
    /// The state after it: two that differ in nothing that matters must be equal.
    fn after(&self, state: &Self::State, action: Self::Action) -> Self::State;
    /// What is wrong with a state.
    fn fault(&self, state: &Self::State) -> Option<&'static str>;
}

/// Visits all states, or those up to the first that is wrong: what is wrong with it, and a shortest way there. States are told apart by 64 bits
/// of hash.
pub fn explore<M: Model>(model: &M) -> Option<(&'static str, Vec<String>)> {
    let hasher = RandomState::new();
    let start = model.start();
    let first = hasher.hash_one(&start);
    let mut before: HashMap<u64, Option<(u64, M::Action)>> = HashMap::from([(first, None)]);
    let mut open = VecDeque::from([(first, start)]);
    while let Some((here, state)) = open.pop_front() {
        if let Some(fault) = model.fault(&state) {
            let mut way = vec![format!("{state:#?}")];
            let mut at = here;
            while let Some((from, action)) = before[&at] {
                way.push(format!("{action:?}"));
                at = from;
            }
            way.reverse();
            return Some((fault, way));
        }
        for action in model.actions(&state) {
            let next = model.after(&state, action);
            let key = hasher.hash_one(&next);
            before.entry(key).or_insert_with(|| {
                open.push_back((key, next));
                Some((here, action))
            });
        }
    }
    None
}
