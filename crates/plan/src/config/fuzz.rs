//! Fuzz target: texts of others, and values that may be secrets.

use testfuzz::{fuzz, prop_assert, prop_assert_eq};

use super::value::{EnvValue, HIDDEN, LEAST, SHORT, scrub};

/// Values, a line each, and after an empty line the text: of no value is anything left where it stood, and nothing else is gone.
#[test]
fn scrubbing() {
    fuzz("scrubbing", |input| {
        let input = String::from_utf8_lossy(input);
        let (values, text) = input.split_once("\n\n").unwrap_or(("", &*input));
        let secrets: Vec<&str> = values
            .lines()
            .filter(|value| value.len() >= LEAST)
            .collect();
        let values: Vec<EnvValue> = values.lines().map(EnvValue::hidden).collect();
        let clean = scrub(text, &values);
        prop_assert_eq!(&clean, &by_letters(text, &secrets));
        for rest in clean.split(HIDDEN) {
            let told = secrets
                .iter()
                .find(|secret| secret.len() >= SHORT && rest.contains(**secret));
            prop_assert!(told.is_none(), "{told:?} in {rest:?}");
        }
        // Somebody may have cut the text, through a value too.
        if let Some(at) = secrets
            .iter()
            .filter(|secret| secret.len() > SHORT)
            .find_map(|secret| text.find(secret))
        {
            let begins = (at + SHORT..=text.len())
                .find(|end| text.is_char_boundary(*end))
                .unwrap_or(text.len());
            let cut = scrub(&text[..begins], &values);
            let told = &text[at..begins];
            prop_assert!(told == HIDDEN || !cut.ends_with(told), "{cut:?}");
        }
        Ok(clean != text)
    });
}

/// The slow way: letter by letter.
fn by_letters(text: &str, secrets: &[&str]) -> String {
    let word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let stands = |at: usize, secret: &str| {
        let Some(after) = text[at..].strip_prefix(secret) else {
            let rest = &text[at..];
            return rest.len() >= SHORT && secret.starts_with(rest);
        };
        let joined = |one: Option<char>, other: Option<char>| word(one) && word(other);
        secret.len() >= SHORT
            || !joined(text[..at].chars().next_back(), secret.chars().next())
                && !joined(secret.chars().next_back(), after.chars().next())
    };
    let (mut clean, mut hidden) = (String::new(), 0);
    for (at, letter) in text.char_indices() {
        let found = secrets.iter().copied().filter(|secret| stands(at, secret));
        let end = found
            .map(str::len)
            .max()
            .map_or(0, |length| text.len().min(at + length));
        if end > 0 && at >= hidden {
            clean.push_str(HIDDEN);
        }
        hidden = hidden.max(end);
        if at >= hidden {
            clean.push(letter);
        }
    }
    clean
}
