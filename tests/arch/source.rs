//! A look at Rust source that is good enough for rules about names: tokens without comments and literals, and the paths in them.

use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Mark(char),
}

/// Words and marks of a source text. Comments, texts, characters and lifetimes are left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        at = match c {
            '/' if next == Some('/') => line_end(&chars, at),
            '/' if next == Some('*') => comment_end(&chars, at),
            '"' => text_end(&chars, at + 1),
            '\'' => character_end(&chars, at),
            'r' | 'b' if raw_text(&chars, at).is_some() => raw_text(&chars, at).unwrap_or(at + 1),
            _ if c.is_alphanumeric() || c == '_' => {
                let end = word_end(&chars, at);
                tokens.push(Token::Word(chars[at..end].iter().collect()));
                end
            }
            _ => {
                if !c.is_whitespace() {
                    tokens.push(Token::Mark(c));
                }
                at + 1
            }
        };
    }
    tokens
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..]
        .iter()
        .position(|&c| c == '\n')
        .map_or(chars.len(), |length| at + length)
}

fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// A character or a lifetime.
fn character_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let body = at + 3;
            chars[body.min(chars.len())..]
                .iter()
                .position(|&c| c == '\'')
                .map_or(chars.len(), |length| body + length + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => word_end(chars, at + 1),
    }
}

/// The end of `r"..."`, `r#"..."#`, `b"..."` or `br#"..."#`, if one begins here.
fn raw_text(chars: &[char], at: usize) -> Option<usize> {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    let prefix: String = chars[at..]
        .iter()
        .take_while(|c| matches!(c, 'r' | 'b'))
        .collect();
    let fence = at + prefix.len();
    let fences = chars[fence..].iter().take_while(|&&c| c == '#').count();
    if chars.get(fence + fences) != Some(&'"') {
        return None;
    }
    match prefix.as_str() {
        "b" if fences == 0 => Some(text_end(chars, fence + 1)),
        "r" | "br" => {
            let end: String = std::iter::once('"')
                .chain(std::iter::repeat_n('#', fences))
                .collect();
            let end: Vec<char> = end.chars().collect();
            let body = fence + fences + 1;
            let length = chars[body..]
                .windows(end.len())
                .position(|window| window == end)?;
            Some(body + length + end.len())
        }
        _ => None,
    }
}

fn word_end(chars: &[char], at: usize) -> usize {
    let length = chars[at..]
        .iter()
        .take_while(|&&c| c.is_alphanumeric() || c == '_')
        .count();
    at + length.max(1)
}

/// Every path of a source text, `use` groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub fn paths(tokens: &[Token]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            Token::Word(_) => path(tokens, at, &[], &mut found),
            Token::Mark(_) => at + 1,
        };
    }
    found
}

/// Reads one path (or group member) at `at`; answers where it ends.
fn path(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    found: &mut BTreeSet<Vec<String>>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(Token::Word(word)) = tokens.get(at) {
        path.push(word.clone());
        at += 1;
        if tokens.get(at) != Some(&Token::Mark(':'))
            || tokens.get(at + 1) != Some(&Token::Mark(':'))
        {
            break;
        }
        at += 2;
        if tokens.get(at) == Some(&Token::Mark('{')) {
            at += 1;
            while at < tokens.len() && tokens[at] != Token::Mark('}') {
                at = match &tokens[at] {
                    Token::Word(_) => self::path(tokens, at, &path, found),
                    Token::Mark(_) => at + 1,
                };
            }
            return at + 1;
        }
    }
    found.insert(path);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        paths(&tokens(text))
            .iter()
            .map(|path| path.join("::"))
            .collect()
    }

    #[test]
    fn groups_are_taken_apart_however_deep() {
        let found = joined("pub use crate::{a::{b, c as d}, e::*, self};");
        for expected in ["crate::a::b", "crate::a::c", "crate::self"] {
            assert!(
                found.iter().any(|path| path == expected),
                "{expected} in {found:?}"
            );
        }
        assert!(
            found.iter().any(|path| path.starts_with("crate::e")),
            "{found:?}"
        );
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let text = r##"
            // aws_sdk_a
            /* aws_sdk_b /* nested */ aws_sdk_c */
            let x = "aws_sdk_d \" aws_sdk_e";
            let y = r#"aws_sdk_f " aws_sdk_g"#;
            let z: &'static [char] = &['"', '\'', '\u{22}'];
            aws_sdk_seen::here(b"aws_sdk_h");
        "##;
        let found: Vec<_> = joined(text)
            .into_iter()
            .filter(|path| path.contains("aws_sdk"))
            .collect();
        assert_eq!(found, ["aws_sdk_seen::here"]);
    }
}
