//! The documents of a file, lists taken apart.

use serde::Deserialize as _;
use serde_json::Value;

use super::File;
use super::lines::{Lines, lines};

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Name of the file.
    pub file: String,
    /// Content.
    pub value: Value,
    /// Lines of its fields.
    pub lines: Lines,
}

/// A file that cannot be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Line, where it is known.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Every document of a file that is not empty. What follows a fault cannot be read.
pub fn documents(file: &File) -> (Vec<Document>, Option<Broken>) {
    let text = match &file.text {
        Ok(text) => text,
        Err(message) => {
            let message = message.clone();
            return (Vec::new(), Some(Broken { line: 1, message }));
        }
    };
    let all = lines(text);
    let mut found = Vec::new();
    for (at, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let mut value = match read(document) {
            Ok(value) => value,
            Err(error) => {
                let line = error.location().map_or(1, |place| place.line());
                let said = error.to_string();
                let said = said.split(" at line ").next().unwrap_or(&said);
                let hint = if text.contains("{{") {
                    "; of a Helm chart, check what helm template prints"
                } else {
                    ""
                };
                let message = format!("invalid YAML: {said}{hint}");
                return (found, Some(Broken { line, message }));
            }
        };
        let lines = all.get(at).cloned().unwrap_or_default();
        for (path, meant) in &lines.meant {
            put(&mut value, path, meant);
        }
        take(file, value, &lines, &mut found);
    }
    (found, None)
}

/// A document as JSON has it. By way of YAML's own values: they refuse names that come twice, and merge `<<`.
fn read(document: serde_yaml::Deserializer<'_>) -> Result<Value, serde_yaml::Error> {
    let mut value = serde_yaml::Value::deserialize(document)?;
    value.apply_merge()?;
    serde_json::to_value(value).map_err(serde::de::Error::custom)
}

/// Puts what kubectl reads in the place of a text.
fn put(value: &mut Value, path: &[String], meant: &Value) {
    let place = path.iter().try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get_mut(step),
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    });
    if let Some(place @ Value::String(_)) = place {
        *place = meant.clone();
    }
}

/// A document, or the items of a `List`, as `kubectl apply` takes them.
fn take(file: &File, value: Value, lines: &Lines, found: &mut Vec<Document>) {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value.get("items") {
        Some(Value::Array(items)) if is_list => {
            for (at, item) in items.iter().enumerate() {
                let lines = lines.below(&["items".to_owned(), at.to_string()]);
                take(file, item.clone(), &lines, found);
            }
        }
        _ if value.is_null() => {}
        _ => found.push(Document {
            file: file.name.clone(),
            value,
            lines: lines.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<Document>, Option<Broken>) {
        documents(&File {
            name: "a.yaml".to_owned(),
            text: Ok(text.to_owned()),
        })
    }

    #[test]
    fn lists_are_taken_apart_and_empty_documents_left_out() {
        let (found, broken) = of(
            "---\n---\nkind: A\n---\n# nothing\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n  x: 1\n",
        );
        assert_eq!(broken, None);
        let kinds: Vec<_> = found
            .iter()
            .map(|one| one.value["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        assert_eq!(found[0].lines.of(&["kind".to_owned()]), 3);
        assert_eq!(found[2].lines.of(&["x".to_owned()]), 11);
    }

    #[test]
    fn plain_words_are_read_as_kubectl_reads_them() {
        let (found, _) = of("a: yes\nb: 'yes'\nc: [0123, \"0123\", x]\n");
        assert_eq!(
            found[0].value,
            serde_json::json!({"a": true, "b": "yes", "c": [83, "0123", "x"]})
        );
    }

    #[test]
    fn a_fault_has_a_line_and_hides_only_what_follows() {
        let (found, broken) = of("kind: A\n---\nkind: B\n  x: 1\n");
        assert_eq!(found.len(), 1);
        assert_eq!(broken.unwrap().line, 4);
        let (_, broken) = of("a: 1\na: 2\n");
        assert!(
            broken.unwrap().message.contains("duplicate"),
            "a name that comes twice"
        );
    }
}
