//! Signs of trees and states: drawn where the locale has them, plain ASCII elsewhere.

use crate::verdict::State;

/// Signs.
#[derive(Clone, Copy, Debug)]
pub struct Symbols {
    /// A branch with others after it.
    pub middle: &'static str,
    /// The last branch.
    pub last: &'static str,
    /// Beside a branch that has others after it.
    pub bar: &'static str,
    /// Below the last branch.
    pub space: &'static str,
    /// A version that does not serve any more.
    pub old: &'static str,
    /// What a line ends with that is cut.
    pub cut: &'static str,
    states: [&'static str; 6],
}

const DRAWN: Symbols = Symbols {
    middle: "├─ ",
    last: "└─ ",
    bar: "│  ",
    space: "   ",
    old: "·",
    cut: "…",
    states: ["✖", "✖", "◌", "‖", "▲", "✔"],
};

const ASCII: Symbols = Symbols {
    middle: "|- ",
    last: "`- ",
    bar: "|  ",
    space: "   ",
    old: ".",
    cut: "~",
    states: ["x", "x", "~", "=", "!", "+"],
};

impl Symbols {
    /// Signs that the locale has: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set decides.
    pub fn of_locale() -> Self {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        Self::of_locale_named(locale.as_deref())
    }

    /// Signs of a locale.
    pub fn of_locale_named(locale: Option<&str>) -> Self {
        let ascii = locale.is_some_and(|locale| {
            let lower = locale.to_ascii_lowercase();
            !lower.contains("utf-8") && !lower.contains("utf8")
        });
        if ascii { ASCII } else { DRAWN }
    }

    /// The sign of a state.
    pub const fn state(self, state: State) -> &'static str {
        let at = match state {
            State::Failed => 0,
            State::Waiting => 1,
            State::Progressing => 2,
            State::Suspended => 3,
            State::Warning => 4,
            State::Ready => 5,
        };
        self.states[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_without_unicode_gets_ascii() {
        for locale in ["C", "POSIX", "de_DE.ISO-8859-1"] {
            assert_eq!(
                Symbols::of_locale_named(Some(locale)).state(State::Ready),
                "+",
                "{locale}"
            );
        }
        for locale in [None, Some("C.UTF-8"), Some("de_DE.utf8")] {
            assert_eq!(
                Symbols::of_locale_named(locale).state(State::Ready),
                "✔",
                "{locale:?}"
            );
        }
    }
}
