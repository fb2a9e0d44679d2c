//! Plain words that kubectl, which reads YAML 1.1, takes for booleans and numbers, and YAML 1.2 for texts.

use serde_json::Value;

const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// What kubectl reads instead of the text; `None`: the same as YAML 1.2.
pub fn meant(text: &str) -> Option<Value> {
    if TRUE.contains(&text) {
        return Some(Value::Bool(true));
    }
    if FALSE.contains(&text) {
        return Some(Value::Bool(false));
    }
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let begins = digits.starts_with(|c: char| c.is_ascii_digit());
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if !begins || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let octal = plain.len() > 1 && plain.starts_with('0');
    if !octal && plain.len() == digits.len() {
        return None;
    }
    let number = i64::from_str_radix(&plain, if octal { 8 } else { 10 }).ok()?;
    Some(Value::from(sign * number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_mean_what_kubectl_takes_them_for() {
        for (text, value) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!(true)),
            ("0123", json!(83)),
            ("-1_000", json!(-1000)),
        ] {
            assert_eq!(meant(text), Some(value), "{text}");
        }
        for text in [
            "true", "yEs", "12", "-7", "0", "08", "1.5", "12:30", "v1", "_1", "",
        ] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
