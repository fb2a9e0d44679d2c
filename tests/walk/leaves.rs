//! Every leaf of every CRD's spec, and what may be done to it: from the schemas alone, so that a new field is walked from its first day.

use serde_json::{Map, Value, json};

/// A field that has no fields of its own.
pub struct Leaf {
    pub kind: String,
    /// Names of fields; `[]` for the items of a list, `{}` for the values of a map.
    path: Vec<String>,
    schema: Value,
    /// Most items of the list, or entries of the map, that it is in.
    most: Option<usize>,
}

/// What is done to a leaf that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Change,
    Unset,
    Largest,
    /// As many beside it as there may be.
    Most,
    Deepest,
    /// Of another type.
    Invalid,
    TooLong,
}

pub const EFFECTIVE: [Way; 5] = [
    Way::Change,
    Way::Unset,
    Way::Largest,
    Way::Most,
    Way::Deepest,
];
pub const REFUSED: [Way; 2] = [Way::Invalid, Way::TooLong];

/// Levels of the deepest object that a field takes.
const DEEP: usize = 31;

/// The leaves of all kinds that stand for something in AWS.
pub fn leaves() -> Vec<Leaf> {
    let mut all = Vec::new();
    for crd in agentcore_api::crds() {
        let crd = serde_json::to_value(crd).expect("a CRD is JSON");
        let kind = crd["spec"]["names"]["kind"].as_str().expect("a kind");
        if kind == "AgentGrant" {
            continue;
        }
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(
            kind,
            &root["properties"]["spec"],
            &mut Vec::new(),
            None,
            &mut all,
        );
    }
    all
}

fn walk(
    kind: &str,
    schema: &Value,
    path: &mut Vec<String>,
    most: Option<usize>,
    all: &mut Vec<Leaf>,
) {
    let count = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
    let mut below = |step: &str, schema: &Value, most| {
        path.push(step.to_owned());
        walk(kind, schema, path, most, all);
        path.pop();
    };
    if let Some(fields) = schema["properties"].as_object() {
        for (name, schema) in fields {
            below(name, schema, None);
        }
    } else if schema["items"].is_object() {
        below("[]", &schema["items"], count("maxItems"));
    } else if schema["additionalProperties"].is_object() {
        below(
            "{}",
            &schema["additionalProperties"],
            count("maxProperties"),
        );
    } else {
        all.push(Leaf {
            kind: kind.to_owned(),
            path: path.clone(),
            schema: schema.clone(),
            most,
        });
    }
}

impl Leaf {
    pub fn name(&self) -> String {
        format!("{}.{}", self.kind, self.path.join("."))
    }

    /// Where it is in a spec: the first place, as steps of a JSON pointer.
    pub fn place(&self, spec: &Value) -> Option<Vec<String>> {
        find(spec, &self.path)
    }

    /// A spec after something was done to the leaf; none where this cannot be done. `others`: values that it has elsewhere.
    pub fn after(&self, spec: &Value, way: Way, others: &[Value]) -> Option<Value> {
        let place = self.place(spec)?;
        let mut spec = spec.clone();
        if way == Way::Unset {
            unset(&mut spec, &place);
            return Some(spec);
        }
        if way == Way::Most {
            self.fill(&mut spec, &place)?;
            return Some(spec);
        }
        let value = spec.pointer_mut(&pointer(&place))?;
        let new = match way {
            Way::Change => others
                .iter()
                .find(|other| *other != value)
                .cloned()
                .or_else(|| self.changed(value)),
            Way::Largest => self.largest(value),
            // An agent has to know what it is asked for: the depth stands beside that.
            Way::Deepest => self
                .is_open()
                .then(|| json!({"action": "keepalive", "deep": deep(DEEP - 1)})),
            Way::Invalid => Some(self.invalid()),
            Way::TooLong => self.too_long(value),
            Way::Unset | Way::Most => None,
        }?;
        if new == *value {
            return None;
        }
        *value = new;
        Some(spec)
    }

    fn is_open(&self) -> bool {
        self.schema["x-kubernetes-preserve-unknown-fields"] == true
    }

    /// The values that it may have, where they are few: an enum, or a rule where it may be empty.
    fn choice(&self) -> Option<Vec<Value>> {
        if let Some(known) = self.schema["enum"].as_array() {
            return Some(known.clone());
        }
        let rules = self.schema["x-kubernetes-validations"].as_array()?;
        let among = |rule: &Value| {
            rule["rule"]
                .as_str()?
                .strip_prefix("self in ")
                .map(str::to_owned)
        };
        let known = rules.iter().find_map(among)?;
        serde_json::from_str(&known.replace('\'', "\"")).ok()
    }

    fn changed(&self, value: &Value) -> Option<Value> {
        if let Some(known) = self.choice() {
            return known.into_iter().find(|other| other != value);
        }
        match value {
            Value::Bool(value) => Some(json!(!value)),
            Value::Number(value) => {
                let value = value.as_i64()?;
                let last = self.schema["maximum"].as_f64();
                #[allow(clippy::cast_precision_loss)] // small numbers
                let next = if last.is_none_or(|last| (value as f64) < last) {
                    value + 1
                } else {
                    value - 1
                };
                Some(json!(next))
            }
            Value::String(text) => Some(json!(another(text)?)),
            // An agent has to know what it is asked for, or a fresh session is refused where an edited one is not yet asked again.
            Value::Object(_) if self.is_open() => {
                Some(json!({"action": "keepalive", "changed": true}))
            }
            _ => None,
        }
    }

    fn largest(&self, value: &Value) -> Option<Value> {
        if self.choice().is_some() {
            return None;
        }
        match value {
            Value::Number(_) => self.schema["maximum"]
                .as_f64()
                .and_then(|last| serde_json::from_str(&format!("{last:.0}")).ok()),
            Value::String(text) => {
                let most = usize::try_from(self.schema["maxLength"].as_u64()?).ok()?;
                Some(json!(longer(text, most)?))
            }
            _ => None,
        }
    }

    fn too_long(&self, value: &Value) -> Option<Value> {
        let most = usize::try_from(self.schema["maxLength"].as_u64()?).ok()?;
        Some(json!(longer(value.as_str()?, most + 1)?))
    }

    fn invalid(&self) -> Value {
        match self.schema["type"].as_str() {
            Some("string") => json!({"no": "text"}),
            _ => json!("a text"),
        }
    }

    /// Fills the list or map that it is in.
    fn fill(&self, spec: &mut Value, place: &[String]) -> Option<()> {
        let at = self
            .path
            .iter()
            .rposition(|step| step == "[]" || step == "{}")?;
        let most = self.most?.min(100);
        let text = |n: usize, value: &Value| {
            value.as_str().and_then(|text| {
                let cut = text.rfind(char::is_alphanumeric)?;
                Some(json!(format!("{}{n}{}", &text[..cut], &text[cut + 1..])))
            })
        };
        match spec.pointer_mut(&pointer(&place[..at]))? {
            Value::Array(items) if at + 1 == self.path.len() => {
                let first = items.first()?.clone();
                items.extend((items.len()..most).filter_map(|n| text(n, &first)));
            }
            Value::Object(entries) => {
                let value = entries.values().next()?.clone();
                for n in entries.len()..most {
                    entries.insert(format!("key{n}"), value.clone());
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn find(value: &Value, path: &[String]) -> Option<Vec<String>> {
    let Some((step, rest)) = path.split_first() else {
        return Some(Vec::new());
    };
    let under = |name: String, value: &Value| {
        let below = find(value, rest)?;
        Some([vec![name], below].concat())
    };
    match (step.as_str(), value) {
        ("[]", Value::Array(items)) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| under(at.to_string(), item)),
        ("{}", Value::Object(entries)) => entries
            .iter()
            .find_map(|(name, value)| under(name.clone(), value)),
        (name, Value::Object(fields)) => under(name.to_owned(), fields.get(name)?),
        _ => None,
    }
}

fn pointer(place: &[String]) -> String {
    let escaped = |step: &String| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
    place.iter().map(escaped).collect()
}

/// Takes something out, and what is empty without it.
fn unset(spec: &mut Value, place: &[String]) {
    let Some((last, above)) = place.split_last() else {
        return;
    };
    let empty = match spec.pointer_mut(&pointer(above)) {
        Some(Value::Object(fields)) => {
            fields.remove(last);
            fields.is_empty()
        }
        Some(Value::Array(items)) => {
            if let Ok(at) = last.parse::<usize>() {
                items.remove(at);
            }
            items.is_empty()
        }
        _ => false,
    };
    if empty {
        unset(spec, above);
    }
}

/// A text like another one: its last letter or digit is one before, or after the first.
fn another(text: &str) -> Option<String> {
    let at = text.rfind(|c: char| c.is_ascii_alphanumeric())?;
    let last = text.as_bytes()[at];
    let next = match last {
        b'0' | b'a' | b'A' => last + 1,
        _ => last - 1,
    };
    Some(format!(
        "{}{}{}",
        &text[..at],
        char::from(next),
        &text[at + 1..]
    ))
}

/// A text of so many bytes: its last letter or digit over and over.
fn longer(text: &str, length: usize) -> Option<String> {
    let at = text.rfind(|c: char| c.is_ascii_alphanumeric())?;
    let more = length.checked_sub(text.len())?;
    let last = text[at..=at].repeat(more);
    Some(format!("{}{last}{}", &text[..at], &text[at..]))
}

fn deep(levels: usize) -> Value {
    let mut value = json!("here");
    for _ in 0..levels {
        let mut outer = Map::new();
        outer.insert("a".to_owned(), value);
        value = Value::Object(outer);
    }
    value
}
