//! Patterns of `--allow-execution-role`: `*` stands for any characters, `?` for one.

/// Whether the whole text matches the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut pos) = (0, 0);
    // Where the last star was, and how much of the text it has taken so far: the only place to go back to.
    let mut star: Option<(usize, usize)> = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(sign) if *sign == '?' || *sign == text[pos] => {
                at += 1;
                pos += 1;
            }
            _ => {
                let Some((back, taken)) = star else {
                    return false;
                };
                star = Some((back, taken + 1));
                at = back + 1;
                pos = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}
