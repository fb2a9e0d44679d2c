//! Objects in transition by namespace: a list of one namespace's thousands takes long, and those of the others need not wait for it.

use std::collections::{HashMap, HashSet};

use super::{State, Tracked};

/// Entries of one page of the list.
const PAGE: usize = 100;

/// Whose runtimes are read one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Of namespaces with few objects in transition; the list shows the others.
    Few,
    /// Of all.
    All,
}

impl State {
    /// Pages of the list.
    pub fn pages(&self) -> usize {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(1, |snapshot| snapshot.len().div_ceil(PAGE).max(1))
    }

    /// Those who are told to read their runtimes.
    pub fn told(&self, who: Who) -> Vec<(&String, &Tracked)> {
        let few = self.few(self.pages());
        let told = |key: &str| who == Who::All || few.contains(namespace(key));
        self.tracked.iter().filter(|(key, _)| told(key)).collect()
    }

    /// The objects in transition of namespaces with few of them, and the others.
    pub fn groups(&self, pages: usize) -> (Vec<&Tracked>, Vec<&Tracked>) {
        let few = self.few(pages);
        let all = self.tracked.iter();
        let (few, rest): (Vec<_>, Vec<_>) = all.partition(|(key, _)| few.contains(namespace(key)));
        let tracked = |group: Vec<(_, _)>| group.into_iter().map(|(_, tracked)| tracked).collect();
        (tracked(few), tracked(rest))
    }

    fn few(&self, pages: usize) -> HashSet<&str> {
        let mut of = HashMap::<&str, (usize, bool)>::new();
        for (key, tracked) in &self.tracked {
            let (count, known) = of.entry(namespace(key)).or_insert((0, true));
            *count += 1;
            *known &= tracked.runtime_id.is_some();
        }
        few(&of, pages)
    }
}

/// The namespace of a key.
fn namespace(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// Namespaces whose objects in transition are looked at by Gets although the list is cheaper for all together: those with the fewest, as long as their Gets take
/// no longer than the list's pages. A list of another namespace's thousands takes long.
///
/// `of`: for each namespace its objects in transition, and whether the runtime's id of each is known.
fn few<'a>(of: &HashMap<&'a str, (usize, bool)>, pages: usize) -> HashSet<&'a str> {
    let mut known: Vec<_> = of.iter().filter(|(_, (_, known))| *known).collect();
    known.sort_unstable_by_key(|(namespace, (count, _))| (*count, **namespace));
    let mut gets = 0;
    let fit = known.into_iter().take_while(|(_, (count, _))| {
        gets += count;
        gets < pages
    });
    fit.map(|(namespace, _)| *namespace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_with_few_do_not_wait_for_the_list_of_anothers_thousands() {
        let of = HashMap::from([
            ("crowd", (5_000, true)),
            ("one", (1, true)),
            ("two", (2, true)),
            ("unknown", (1, false)),
        ]);
        assert_eq!(few(&of, 50), HashSet::from(["one", "two"]));
        assert_eq!(few(&of, 3), HashSet::from(["one"]));
        assert_eq!(few(&of, 1), HashSet::new());
        let crowds: Vec<_> = (0..100).map(|number| format!("team-{number}")).collect();
        let of = crowds.iter().map(|name| (name.as_str(), (1, true)));
        let found = few(&of.collect(), 50);
        assert_eq!(found.len(), 49, "Gets that are fewer than the pages");
    }
}
