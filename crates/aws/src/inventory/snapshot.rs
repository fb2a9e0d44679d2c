//! One complete list: what is there, and what became different since the one before.

use std::collections::HashMap;

use agentcore_plan::aws::{ListedRuntime, ServiceStatus};
use agentcore_plan::runtime::Listed;
use jiff::Timestamp;

/// Entries of a complete list.
#[derive(Debug)]
pub struct Snapshot {
    as_of: Timestamp,
    by_id: HashMap<String, ListedRuntime>,
    /// Name to id. Names are unique, except that a runtime on its way out may still hold the name of its successor.
    by_name: HashMap<String, String>,
}

impl Snapshot {
    /// A list begun at `as_of`.
    pub fn new(entries: Vec<ListedRuntime>, as_of: Timestamp) -> Self {
        let mut by_id = HashMap::with_capacity(entries.len());
        let mut by_name: HashMap<String, String> = HashMap::with_capacity(entries.len());
        for entry in entries {
            let leaving = entry.status == ServiceStatus::Deleting;
            if !leaving || !by_name.contains_key(&entry.name) {
                by_name.insert(entry.name.clone(), entry.id.clone());
            }
            by_id.insert(entry.id.clone(), entry);
        }
        Self {
            as_of,
            by_id,
            by_name,
        }
    }

    /// When the list was begun.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// How many runtimes there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The entry of this id.
    pub fn get(&self, id: &str) -> Option<&ListedRuntime> {
        self.by_id.get(id)
    }

    /// What this list says of an id.
    pub fn id(&self, id: &str) -> Listed {
        self.listed(self.by_id.get(id))
    }

    /// What this list says of a name.
    pub fn name(&self, name: &str) -> Listed {
        self.listed(self.by_name.get(name).and_then(|id| self.by_id.get(id)))
    }

    fn listed(&self, entry: Option<&ListedRuntime>) -> Listed {
        match entry {
            Some(entry) => Listed::Present {
                entry: entry.clone(),
                as_of: self.as_of,
            },
            None => Listed::Absent { as_of: self.as_of },
        }
    }

    /// Id and name of every runtime that is new, changed or gone since `before`; all of them when there is no list before.
    pub fn changes(&self, before: Option<&Self>) -> Vec<(String, String)> {
        let known = |entry: &ListedRuntime| before.and_then(|before| before.by_id.get(&entry.id));
        let new_or_changed = self
            .by_id
            .values()
            .filter(|entry| known(entry) != Some(entry));
        let gone = before.into_iter().flat_map(|before| before.by_id.values());
        let gone = gone.filter(|entry| !self.by_id.contains_key(&entry.id));
        new_or_changed
            .chain(gone)
            .map(|entry| (entry.id.clone(), entry.name.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, version: &str, status: ServiceStatus) -> ListedRuntime {
        let name = id.split('-').next().unwrap_or_default().to_owned();
        ListedRuntime {
            arn: format!("arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/{id}"),
            id: id.to_owned(),
            name,
            version: version.to_owned(),
            status,
            last_updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn snapshot(entries: Vec<ListedRuntime>) -> Snapshot {
        Snapshot::new(entries, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_what_is_new_changed_or_gone_is_a_change() {
        use ServiceStatus::{Ready, Updating};
        let before = snapshot(vec![
            entry("same-1", "1", Ready),
            entry("moves-2", "1", Ready),
            entry("goes-3", "1", Ready),
        ]);
        let after = snapshot(vec![
            entry("same-1", "1", Ready),
            entry("moves-2", "2", Updating),
            entry("comes-4", "1", Ready),
        ]);
        let mut changes = after.changes(Some(&before));
        changes.sort();
        let expected = [
            ("comes-4", "comes"),
            ("goes-3", "goes"),
            ("moves-2", "moves"),
        ];
        assert_eq!(
            changes,
            expected.map(|(id, name)| (id.to_owned(), name.to_owned()))
        );
        assert_eq!(
            after.changes(None).len(),
            3,
            "everything is new in the first list"
        );
        assert!(after.changes(Some(&after)).is_empty());
    }

    #[test]
    fn a_name_means_its_successor_while_the_old_runtime_is_deleting() {
        let (old, new) = (
            entry("agent-old", "7", ServiceStatus::Deleting),
            entry("agent-new", "1", ServiceStatus::Creating),
        );
        for order in [
            vec![old.clone(), new.clone()],
            vec![new.clone(), old.clone()],
        ] {
            let Listed::Present { entry, .. } = snapshot(order).name("agent") else {
                panic!("listed")
            };
            assert_eq!(entry.id, "agent-new");
        }
        let Listed::Present { entry, .. } = snapshot(vec![old]).name("agent") else {
            panic!("listed")
        };
        assert_eq!(entry.id, "agent-old");
    }
}
