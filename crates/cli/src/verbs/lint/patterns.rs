//! Regular expressions as the API server reads them: in Go, white space is that of ASCII.

/// White space in Go's syntax, as the inside of a class.
const SPACE: &str = r"\t\n\f\r ";

/// The same expression, or a text that holds one, with `\s` spelled out.
pub fn ascii_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_class = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            in_class = (in_class && c != ']') || (!in_class && c == '[');
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('s') if in_class => out.push_str(SPACE),
            Some('s') => out.extend(["[", SPACE, "]"]),
            Some(other) => out.extend([c, other]),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_spelled_out_inside_and_outside_of_classes() {
        for (pattern, expected) in [
            (r"^[a-z\s]*$", r"^[a-z\t\n\f\r ]*$"),
            (r"a\sb", r"a[\t\n\f\r ]b"),
            (r"[^\s]\s[x]", r"[^\t\n\f\r ][\t\n\f\r ][x]"),
            (r"\\s\[\s", r"\\s\[[\t\n\f\r ]"),
            (r"\d+", r"\d+"),
        ] {
            assert_eq!(ascii_space(pattern), expected, "{pattern}");
        }
    }
}
