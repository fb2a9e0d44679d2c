//! The kinds that stand for something in AgentCore, and every name that each of them has.

use std::fmt;

use serde::Serialize;

/// A kind with something in AgentCore. An AgentGrant has nothing there: it says what the others may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// A runtime, and its DEFAULT endpoint.
    AgentRuntime,
    /// A named endpoint.
    AgentEndpoint,
    /// A declared session.
    AgentSession,
}

/// The names of a kind.
struct Names {
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_name: &'static str,
    word: &'static str,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::AgentRuntime, Self::AgentEndpoint, Self::AgentSession];

    const fn names(self) -> Names {
        match self {
            Self::AgentRuntime => Names {
                kind: "AgentRuntime",
                plural: "agentruntimes",
                singular: "agentruntime",
                short_name: "art",
                word: "runtime",
            },
            Self::AgentEndpoint => Names {
                kind: "AgentEndpoint",
                plural: "agentendpoints",
                singular: "agentendpoint",
                short_name: "aep",
                word: "endpoint",
            },
            Self::AgentSession => Names {
                kind: "AgentSession",
                plural: "agentsessions",
                singular: "agentsession",
                short_name: "ase",
                word: "session",
            },
        }
    }

    /// As manifests write it.
    pub const fn as_str(self) -> &'static str {
        self.names().kind
    }

    /// As paths and RBAC rules write it.
    pub const fn plural(self) -> &'static str {
        self.names().plural
    }

    /// As kubectl writes one object of it before a slash.
    pub const fn singular(self) -> &'static str {
        self.names().singular
    }

    /// The word that people write before a slash: `runtime/support`.
    pub const fn word(self) -> &'static str {
        self.names().word
    }

    /// The kind that manifests write so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of this plural.
    pub fn from_plural(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == text)
    }

    /// The kind that a person means: by any of its names, in any case, with or without the API group.
    pub fn meant_by(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let bare = lower.strip_suffix(".agentcore.dev").unwrap_or(&lower);
        Self::ALL.into_iter().find(|kind| {
            let names = kind.names();
            [names.plural, names.singular, names.short_name, names.word].contains(&bare)
                || bare.strip_suffix('s') == Some(names.word)
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_custom_resource_definitions() {
        for crd in crate::crds() {
            let names = crd.spec.names;
            let Some(kind) = Kind::from_name(&names.kind) else {
                assert_eq!(names.kind, "AgentGrant");
                continue;
            };
            assert_eq!(names.plural, kind.plural());
            assert_eq!(names.singular.as_deref(), Some(kind.singular()));
            assert_eq!(
                names.short_names,
                Some(vec![kind.names().short_name.to_owned()])
            );
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }
}
