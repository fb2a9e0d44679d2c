//! What a schema says, as rows of a table.

use serde_json::Value;

/// One field, at whatever depth.
pub(super) struct Field {
    /// Names joined by dots; `[]` stands for an item, `{}` for a value of a map.
    pub path: String,
    /// Its type in words.
    pub kind: String,
    /// Whether it must be there once what holds it is there.
    pub required: bool,
    /// The values that it can have, where they are few.
    pub values: Option<String>,
    /// Limits in words, these values among them.
    pub limits: String,
    /// The description.
    pub meaning: String,
}

/// A rule that the API server checks.
#[derive(PartialEq)]
pub(super) struct Rule {
    /// The field below spec that it belongs to; empty for one across fields.
    pub field: String,
    /// What it says when it refuses.
    pub message: String,
    /// The rule itself; `self` is the value that it stands at.
    pub cel: String,
    /// Whether it compares with the object as it was.
    pub fixes: bool,
}

/// A field with all below it.
pub(super) fn fields(path: &str, schema: &Value, required: bool) -> Vec<Field> {
    let mut found = Vec::new();
    collect(path, schema, required, &mut found);
    found
}

/// Whether an object must have this field.
pub(super) fn required(parent: &Value, name: &str) -> bool {
    let names = parent["required"].as_array();
    names.is_some_and(|names| names.iter().any(|required| required == name))
}

fn collect(path: &str, schema: &Value, must: bool, found: &mut Vec<Field>) {
    found.push(Field {
        path: path.to_owned(),
        kind: kind(schema),
        required: must,
        values: values(schema),
        limits: limits(schema),
        meaning: cell(schema["description"].as_str().unwrap_or_default()),
    });
    let inner = [("items", "[]"), ("additionalProperties", "{}")];
    for (holder, suffix) in inner {
        // Items of a plain type are told in the row of their list.
        if schema[holder]["properties"].is_object() {
            below(&format!("{path}{suffix}"), &schema[holder], found);
        }
    }
    below(path, schema, found);
}

fn below(path: &str, schema: &Value, found: &mut Vec<Field>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        collect(&path, property, required(schema, name), found);
    }
}

fn kind(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("array") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys: Vec<_> = keys
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let by = match keys.as_slice() {
                [] => String::new(),
                keys => format!(", one for each `{}`", keys.join("`, `")),
            };
            format!("list of {}{by}", plural(&schema["items"]))
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", plural(&schema["additionalProperties"]))
        }
        Some("object") if schema["x-kubernetes-preserve-unknown-fields"] == true => {
            "any object".to_owned()
        }
        Some(plain) => plain.to_owned(),
        None => "any".to_owned(),
    }
}

fn plural(schema: &Value) -> String {
    match kind(schema).as_str() {
        "any" => "anything".to_owned(),
        one => format!("{one}s"),
    }
}

/// The limits of a value, then those of what a list or a map of plain values holds.
fn limits(schema: &Value) -> String {
    let mut words = own_limits(schema);
    for (holder, each) in [("items", "each "), ("additionalProperties", "each ")] {
        let inner = &schema[holder];
        if inner.is_object() && !inner["properties"].is_object() {
            words.extend(
                own_limits(inner)
                    .into_iter()
                    .map(|limit| format!("{each}{limit}")),
            );
        }
    }
    words.join("; ")
}

fn own_limits(schema: &Value) -> Vec<String> {
    if let Some(values) = values(schema) {
        return vec![values];
    }
    let mut words = Vec::new();
    words.extend(range(schema, "minimum", "maximum", ""));
    words.extend(range(schema, "minLength", "maxLength", " characters"));
    words.extend(range(schema, "minItems", "maxItems", " items"));
    words.extend(range(schema, "minProperties", "maxProperties", " entries"));
    words.extend(between(schema, "self.matches(r'", "')").map(code));
    words
}

/// The few values that there are: an enum, or a rule where a field may be empty.
fn values(schema: &Value) -> Option<String> {
    let known: Vec<_> = match schema["enum"].as_array() {
        Some(values) => values.iter().filter_map(Value::as_str).collect(),
        None => between(schema, "self in ['", "']")?.split("', '").collect(),
    };
    Some(known.into_iter().map(code).collect::<Vec<_>>().join(", "))
}

/// What stands between two texts that make up one of a schema's own rules.
fn between<'a>(schema: &'a Value, begin: &str, end: &str) -> Option<&'a str> {
    let rules = schema["x-kubernetes-validations"].as_array()?;
    let mut rules = rules.iter().filter_map(|rule| rule["rule"].as_str());
    rules.find_map(|rule| rule.strip_prefix(begin)?.strip_suffix(end))
}

fn range(schema: &Value, least: &str, most: &str, of: &str) -> Option<String> {
    let number = |key: &str| schema[key].as_f64().map(whole);
    match (number(least), number(most)) {
        (Some(least), Some(most)) if least == most => Some(format!("{least}{of}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (None, Some(most)) => Some(format!("at most {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, None) => None,
    }
}

/// A number as people write it: the schema has 8000.0 for 8000.
fn whole(number: f64) -> String {
    format!("{number}")
}

/// A text as code in a cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// A text in a cell: on one line, without a bar that would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// All rules at and below a schema.
pub(super) fn rules(path: &str, schema: &Value) -> Vec<Rule> {
    let mut found = Vec::new();
    gather(path, schema, &mut found);
    found
}

fn gather(path: &str, schema: &Value, found: &mut Vec<Rule>) {
    let own = schema["x-kubernetes-validations"].as_array();
    for rule in own.into_iter().flatten() {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let whole = format!("{path}{}", text("fieldPath"));
        let field = whole.split('.').nth(1).unwrap_or_default();
        let rule = Rule {
            field: field.trim_end_matches(['[', ']', '{', '}']).to_owned(),
            message: text("message").to_owned(),
            cel: text("rule")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            fixes: text("rule").contains("oldSelf"),
        };
        // A structure that is used twice has its rules twice.
        if !found.contains(&rule) {
            found.push(rule);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        gather(&format!("{path}.{name}"), property, found);
    }
    for (holder, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[holder].is_object() {
            gather(&format!("{path}{suffix}"), &schema[holder], found);
        }
    }
}
