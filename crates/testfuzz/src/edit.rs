//! Edits of texts that mostly leave them well-formed: their parts (words, strings, brackets with all that is between, lines) are taken out, repeated,
//! nested, swapped for parts of other texts, or for what is seldom thought of.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;

/// What parsers, and those who use them, stumble over.
const ODD: &[&str] = &[
    "",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "[",
    "}",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\0",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "  ",
    "\t",
    "\u{feff}",
    "\u{2028}",
    "é",
    "😀",
    "%",
    "%2F",
    "%00",
    "/",
    "//",
    "/../",
    ".",
    "-",
    ":",
    ": ",
    ",",
    "&",
    "=",
    "?",
    "#",
    "@",
    ";",
    "hunter2",
    "[hidden]",
    "{\"$serde_json::private::RawValue\":\"{\"}",
    "{\"$serde_json::private::Number\":\"x\"}",
];
/// Levels of nesting: few, as many as serde_json reads, one more, and very many.
const LEVELS: [usize; 4] = [1, 126, 129, 1000];
/// Longest text that edits make, in bytes: checks that compare with a slow and simple way take no more than milliseconds.
const LONGEST: usize = 8 << 10;

/// One to four edits of one of these texts.
pub fn edited(texts: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let how = (any::<u8>(), any::<Index>(), any::<Index>(), any::<Index>());
    (any::<Index>(), prop::collection::vec(how, 1..=4)).prop_map(move |(text, edits)| {
        let other = |index: Index| index.get(&texts).as_slice();
        edits
            .into_iter()
            .fold(other(text).to_vec(), |text, (what, at, which, from)| {
                let edited = edit(&text, what, at, which, other(from));
                if edited.len() > LONGEST { text } else { edited }
            })
    })
}

fn edit(text: &[u8], what: u8, at: Index, which: Index, other: &[u8]) -> Vec<u8> {
    let part = pick(text, at, what.is_multiple_of(5));
    let old = &text[part.clone()];
    let odd = which.get(ODD).as_bytes();
    let new = match what % 8 {
        0 => Vec::new(),
        1 => old.repeat(1 + which.index(if what > 240 { 300 } else { 3 })),
        2 => odd.to_vec(),
        3 => [odd, old].concat(),
        4 => nested(old, LEVELS[which.index(LEVELS.len())], what > 127),
        5 => text[pick(text, which, false)].to_vec(),
        6 => {
            let mut bytes = old.to_vec();
            if !bytes.is_empty() {
                bytes[which.index(old.len())] = what.wrapping_mul(31);
            }
            bytes
        }
        _ => other[pick(other, which, false)].to_vec(),
    };
    [&text[..part.start], &new, &text[part.end..]].concat()
}

fn nested(part: &[u8], levels: usize, objects: bool) -> Vec<u8> {
    let (open, close) = if objects {
        ("{\"a\":", "}")
    } else {
        ("[", "]")
    };
    [
        open.repeat(levels).as_bytes(),
        part,
        close.repeat(levels).as_bytes(),
    ]
    .concat()
}

/// One part of a text; single bytes among them if `bytes`.
fn pick(text: &[u8], which: Index, bytes: bool) -> Range<usize> {
    let parts = parts(text, bytes);
    if parts.is_empty() {
        0..0
    } else {
        which.get(&parts).clone()
    }
}

/// The parts of a text, which may contain each other.
fn parts(text: &[u8], bytes: bool) -> Vec<Range<usize>> {
    let (mut parts, mut open) = (Vec::new(), Vec::new());
    let (mut line, mut quote) = (0, None);
    let mut at = 0;
    while at < text.len() {
        let begun = at;
        at += 1;
        match text[begun] {
            b'{' | b'[' => open.push(begun),
            b'}' | b']' => parts.extend(open.pop().map(|start| start..at)),
            b'"' => match quote.take() {
                Some(start) => parts.push(start..at),
                None => quote = Some(begun),
            },
            b'\n' => {
                parts.push(line..at);
                (line, quote) = (at, None);
            }
            byte if byte.is_ascii_alphanumeric() => {
                while text.get(at).is_some_and(u8::is_ascii_alphanumeric) {
                    at += 1;
                }
                parts.push(begun..at);
            }
            _ if bytes => parts.push(begun..at),
            _ => {}
        }
    }
    parts.push(line..at);
    parts
}
