//! Filter patterns of CloudWatch Logs, as far as they are words: all of them, none of those behind a minus, one of those behind a question mark.

use crate::wire::errors::ApiError;

/// Which messages are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; an empty one wants everything.
    ///
    /// # Errors
    /// `InvalidParameterException` for a quote that does not end, and for JSON, columns and regular expressions, which are not known here.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let invalid = |text: &str| {
            let text = format!("Invalid filter pattern: {text}");
            Err(ApiError::bad_request("InvalidParameterException", text))
        };
        let mut pattern = Self::default();
        let mut rest = text.trim();
        if rest.starts_with(['{', '[', '%']) {
            return invalid("only words are known to a local AgentCore");
        }
        while !rest.is_empty() {
            let marked = |mark: char| rest.strip_prefix(mark).filter(|term| !term.is_empty());
            let (kind, term) = if let Some(term) = marked('-') {
                (&mut pattern.none, term)
            } else if let Some(term) = marked('?') {
                (&mut pattern.any, term)
            } else {
                (&mut pattern.all, rest)
            };
            let (word, left) = if let Some(quoted) = term.strip_prefix('"') {
                let Some((word, left)) = quoted.split_once('"') else {
                    return invalid("a quote does not end");
                };
                (word, left)
            } else {
                term.split_once(char::is_whitespace).unwrap_or((term, ""))
            };
            kind.push(word.to_owned());
            rest = left.trim_start();
        }
        Ok(pattern)
    }

    /// Whether a message is wanted. Case matters.
    pub fn matches(&self, message: &str) -> bool {
        let has = |word: &String| message.contains(word.as_str());
        self.all.iter().all(has)
            && !self.none.iter().any(has)
            && (self.any.is_empty() || self.any.iter().any(has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wanted_unwanted_or_one_of_several() {
        for (pattern, message, wanted) in [
            ("", "anything", true),
            ("ERROR", "an ERROR", true),
            ("ERROR", "an error", false),
            ("turn 7", "7 of turn", true),
            ("\"turn 7\"", "7 of turn", false),
            ("turn -failed", "turn failed", false),
            ("?a ?b", "b", true),
            ("?a ?b", "c", false),
            ("é -\"x y\"", "é x-y", true),
        ] {
            let read = Pattern::parse(pattern).unwrap();
            assert_eq!(read.matches(message), wanted, "{pattern} in {message}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for pattern in ["{ $.a = 1 }", "[a, b]", "%a.*%", "\"open"] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert_eq!(error.name(), "InvalidParameterException", "{pattern}");
        }
    }
}
