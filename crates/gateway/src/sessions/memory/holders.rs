//! Who has how many conversations in the ledger in memory, and who has to make room.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::sessions::ledger::Owner;
use crate::shares::Shares;

/// Whose records are counted, over all and within each namespace.
#[derive(Default)]
pub(super) struct Holders {
    all: Ranking,
    namespaces: HashMap<Arc<str>, Ranking>,
}

/// Whose oldest record goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gives {
    pub caller: Arc<str>,
    /// Only among records of this namespace.
    pub namespace: Option<Arc<str>>,
}

/// Callers in the order of how many records they have.
#[derive(Default)]
struct Ranking {
    total: u64,
    counts: HashMap<Arc<str>, u64>,
    order: BTreeSet<(u64, Arc<str>)>,
}

impl Ranking {
    fn of(&self, caller: &str) -> u64 {
        self.counts.get(caller).copied().unwrap_or_default()
    }

    fn set(&mut self, caller: &Arc<str>, count: u64) {
        let before = self.counts.insert(caller.clone(), count).unwrap_or(0);
        self.order.remove(&(before, caller.clone()));
        if count == 0 {
            self.counts.remove(caller);
        } else {
            self.order.insert((count, caller.clone()));
        }
        self.total = self.total - before + count;
    }

    fn first(&self) -> Option<Arc<str>> {
        self.order.last().map(|(_, caller)| caller.clone())
    }
}

impl Holders {
    /// A record more.
    pub fn add(&mut self, owner: &Owner) {
        let there = self.namespaces.entry(owner.namespace.clone()).or_default();
        for ranking in [&mut self.all, there] {
            ranking.set(&owner.subject, ranking.of(&owner.subject) + 1);
        }
    }

    /// A record less. Who has none is forgotten: names cost nothing.
    pub fn remove(&mut self, owner: &Owner) {
        let all = &mut self.all;
        all.set(&owner.subject, all.of(&owner.subject).saturating_sub(1));
        if let Some(there) = self.namespaces.get_mut(&owner.namespace) {
            there.set(&owner.subject, there.of(&owner.subject).saturating_sub(1));
            if there.total == 0 {
                self.namespaces.remove(&owner.namespace);
            }
        }
    }

    /// Who makes room before a record of this owner is added; none where there is room.
    pub fn gives(&self, owner: &Owner, shares: &Shares) -> Option<Gives> {
        let of = |caller, namespace| Gives { caller, namespace };
        if self.all.of(&owner.subject) >= shares.caller {
            return Some(of(owner.subject.clone(), None));
        }
        let there = self.namespaces.get(&owner.namespace);
        if let Some(there) = there.filter(|there| there.total >= shares.namespace) {
            return Some(of(there.first()?, Some(owner.namespace.clone())));
        }
        if self.all.total >= shares.all {
            return Some(of(self.all.first()?, None));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Kind;

    fn owner(subject: &str, namespace: &str) -> Owner {
        Owner {
            subject: subject.into(),
            kind: Kind::AgentRuntime,
            namespace: namespace.into(),
            name: "support".into(),
        }
    }

    #[test]
    fn a_caller_makes_room_for_itself_and_the_largest_where_it_is_full_without_one_beyond_its_share()
     {
        let shares = Shares {
            caller: 3,
            namespace: 5,
            all: 7,
        };
        let mut holders = Holders::default();
        let mut add = |subject: &str, namespace: &str, count| {
            for _ in 0..count {
                holders.add(&owner(subject, namespace));
            }
        };
        add("a", "x", 3);
        add("b", "x", 2);
        add("c", "y", 1);
        let gives = |holders: &Holders, subject: &str, namespace: &str| {
            let gives = holders.gives(&owner(subject, namespace), &shares)?;
            Some((
                gives.caller.to_string(),
                gives.namespace.as_deref().map(str::to_owned),
            ))
        };
        assert_eq!(gives(&holders, "a", "y"), Some(("a".into(), None)), "own");
        let x = Some("x".to_owned());
        assert_eq!(
            gives(&holders, "c", "x"),
            Some(("a".into(), x)),
            "the largest there"
        );
        assert_eq!(gives(&holders, "c", "y"), None);
        holders.add(&owner("d", "y"));
        assert_eq!(
            gives(&holders, "c", "y"),
            Some(("a".into(), None)),
            "of all"
        );
        for (subject, namespace, count) in
            [("a", "x", 3), ("b", "x", 2), ("c", "y", 1), ("d", "y", 1)]
        {
            for _ in 0..count {
                holders.remove(&owner(subject, namespace));
            }
        }
        assert!(holders.namespaces.is_empty() && holders.all.order.is_empty());
    }
}
