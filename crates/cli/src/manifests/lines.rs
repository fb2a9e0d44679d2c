//! On which line of a YAML stream each field of each document stands, and which plain words kubectl reads as something else.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value;

use super::words::meant;

/// Lines of one document.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    first: usize,
    /// By path, such as `["spec", "env", "0"]`.
    at: HashMap<Vec<String>, usize>,
    /// Places of plain words that mean something else to kubectl, such as `yes`.
    pub meant: Vec<(Vec<String>, Value)>,
}

impl Lines {
    /// The line of a field; of the nearest one around it where it is not there itself.
    pub fn of(&self, path: &[String]) -> usize {
        (0..=path.len())
            .rev()
            .find_map(|length| self.at.get(&path[..length]))
            .copied()
            .unwrap_or(self.first)
    }

    /// These lines, seen from an object at `path` in the document.
    pub fn below(&self, path: &[String]) -> Self {
        let inside = self.at.iter().filter(|(at, _)| at.starts_with(path));
        Self {
            first: self.of(path),
            at: inside
                .map(|(at, line)| (at[path.len()..].to_vec(), *line))
                .collect(),
            meant: Vec::new(), // put in their places before a list is taken apart
        }
    }
}

/// A collection that is open.
enum Open {
    List(usize),
    Map(Option<String>),
}

/// Lines of every document, as far as the text can be read.
pub fn lines(text: &str) -> Vec<Lines> {
    let mut documents = Vec::new();
    let mut current = Lines::default();
    let mut open: Vec<Open> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::DocumentStart(_) => {
                current = Lines {
                    first: line(&span),
                    ..Lines::default()
                };
            }
            Event::DocumentEnd => {
                documents.push(std::mem::take(&mut current));
                open.clear();
                path.clear();
            }
            Event::MappingStart(..) => {
                enter(&mut open, &mut path, &mut current, &span);
                open.push(Open::Map(None));
            }
            Event::SequenceStart(..) => {
                enter(&mut open, &mut path, &mut current, &span);
                open.push(Open::List(0));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                leave(&mut open, &mut path);
            }
            Event::Scalar(text, style, _, tag) => {
                if let Some(Open::Map(key @ None)) = open.last_mut() {
                    *key = Some(text.to_string());
                    path.push(text.to_string());
                    // The line of a field is that of its name, even where the value begins further down.
                    current
                        .at
                        .entry(path.clone())
                        .or_insert_with(|| line(&span));
                    path.pop();
                } else {
                    enter(&mut open, &mut path, &mut current, &span);
                    if style == ScalarStyle::Plain
                        && tag.is_none()
                        && let Some(value) = meant(&text)
                    {
                        current.meant.push((path.clone(), value));
                    }
                    leave(&mut open, &mut path);
                }
            }
            Event::Alias(_) => {
                enter(&mut open, &mut path, &mut current, &span);
                leave(&mut open, &mut path);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
    }
    documents
}

fn line(span: &Span) -> usize {
    span.start.line()
}

/// Goes down to a value.
fn enter(open: &mut [Open], path: &mut Vec<String>, lines: &mut Lines, span: &Span) {
    match open.last() {
        Some(Open::List(at)) => path.push(at.to_string()),
        Some(Open::Map(Some(key))) => path.push(key.clone()),
        // A key that is no text; nothing of ours has such.
        Some(Open::Map(None)) => path.push(String::new()),
        None => {}
    }
    lines.at.entry(path.clone()).or_insert_with(|| line(span));
}

/// Comes back from a value.
fn leave(open: &mut [Open], path: &mut Vec<String>) {
    match open.last_mut() {
        Some(Open::List(at)) => *at += 1,
        // A name that is no text has been passed; its value is next.
        Some(Open::Map(key @ None)) => *key = Some(String::new()),
        Some(Open::Map(key)) => *key = None,
        None => {}
    }
    path.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn every_field_has_the_line_of_its_name() {
        let text = "# first\na: 1\nb:\n  - c: x\n    d:\n      e: y\n  - f\n---\ng: {h: [1, 2]}\n";
        let documents = lines(text);
        assert_eq!(documents.len(), 2);
        for (field, line) in [
            ("a", 2),
            ("b", 3),
            ("b.0.c", 4),
            ("b.0.d", 5),
            ("b.0.d.e", 6),
            ("b.1", 7),
        ] {
            assert_eq!(documents[0].of(&path(field)), line, "{field}");
        }
        assert_eq!(documents[0].of(&path("b.0.d.missing")), 5);
        assert_eq!(documents[1].of(&path("g.h.1")), 9);
        assert_eq!(documents[0].below(&path("b.0")).of(&path("d.e")), 6);
    }

    #[test]
    fn a_text_that_is_no_yaml_has_the_lines_before_its_fault() {
        assert!(lines("a: [").is_empty());
        assert_eq!(lines("a: 1\n---\nb: [").len(), 1);
    }
}
