//! Checks JSON against the shapes of the API model, as AWS's front ends do.
//!
//! Unknown members and nulls are dropped, a wrong JSON type is a `SerializationException`, everything else that
//! breaks a constraint is collected into one `ValidationException`.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use regex::Regex;
use serde_json::{Map, Value};

use super::errors::{ApiError, FieldError};

/// A string's constraints. Lengths count characters; an empty pattern allows everything.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Regular expression that the whole string must match.
    pub pattern: &'static str,
}

/// The shape of a JSON value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A string.
    Text(Text),
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// A whole number within bounds, both included.
    Integer(i64, i64),
    /// true or false.
    Boolean,
    /// An array: fewest items, most items, the shape of each.
    List(usize, usize, &'static Shape),
    /// An object with free keys: most entries, constraints of keys and of values.
    Map(usize, Text, Text),
    /// An object with these members.
    Structure(&'static [Member]),
    /// An object with exactly one of these members.
    Union(&'static [Member]),
}

/// A member of a structure or union.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    name: &'static str,
    required: bool,
    shape: &'static Shape,
}

/// A member that must be there.
pub const fn req(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: true,
        shape,
    }
}

/// A member that may be left out.
pub const fn opt(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: false,
        shape,
    }
}

/// A string shape.
pub const fn text(min: usize, max: usize, pattern: &'static str) -> Shape {
    Shape::Text(Text { min, max, pattern })
}

/// A string shape constrained by its pattern alone.
pub const fn pattern(pattern: &'static str) -> Shape {
    text(0, usize::MAX, pattern)
}

/// Checks `body` (an object; empty bytes count as `{}`) and returns it without unknown members and nulls.
///
/// # Errors
/// `SerializationException` for what is not JSON or has a wrong type, `ValidationException` for the rest.
pub fn parse(members: &'static [Member], body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let value = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(body).map_err(|_| {
            ApiError::new(
                "SerializationException",
                "the request body is not valid JSON",
            )
        })?
    };
    check(members, value)
}

/// As [`parse`], for JSON that is read already.
pub fn check(members: &'static [Member], value: Value) -> Result<Map<String, Value>, ApiError> {
    let mut checker = Checker::default();
    match checker.value(&Shape::Structure(members), value, "")? {
        Value::Object(map) if checker.broken.is_empty() => Ok(map),
        _ => Err(ApiError::fields(checker.broken)),
    }
}

/// Checks one string, such as a path or query parameter.
///
/// # Errors
/// `ValidationException` that names the parameter.
pub fn check_text(name: &str, shape: &'static Shape, value: &str) -> Result<(), ApiError> {
    let mut checker = Checker::default();
    checker.value(shape, Value::String(value.to_owned()), name)?;
    if checker.broken.is_empty() {
        Ok(())
    } else {
        Err(ApiError::fields(checker.broken))
    }
}

#[derive(Default)]
struct Checker {
    broken: Vec<FieldError>,
}

impl Checker {
    fn value(&mut self, shape: &Shape, value: Value, path: &str) -> Result<Value, ApiError> {
        match (shape, value) {
            (Shape::Text(text), Value::String(s)) => {
                self.text(*text, &s, path);
                Ok(Value::String(s))
            }
            (Shape::Enum(values), Value::String(s)) => {
                if !values.contains(&s.as_str()) {
                    self.broke(
                        path,
                        format!(
                            "Member must satisfy enum value set: [{}]",
                            values.join(", ")
                        ),
                    );
                }
                Ok(Value::String(s))
            }
            (Shape::Integer(min, max), Value::Number(n)) => {
                let Some(whole) = n.as_i64() else {
                    return Err(wrong_type(path));
                };
                self.bounds(whole, *min, *max, path);
                Ok(Value::Number(n))
            }
            (Shape::Boolean, Value::Bool(b)) => Ok(Value::Bool(b)),
            (Shape::List(min, max, item), Value::Array(items)) => {
                self.length(items.len(), *min, *max, path);
                let mut kept = Vec::with_capacity(items.len());
                for (n, entry) in items.into_iter().enumerate() {
                    kept.push(self.value(item, entry, &format!("{path}.{}.member", n + 1))?);
                }
                Ok(Value::Array(kept))
            }
            (Shape::Map(max, key, value_text), Value::Object(entries)) => {
                self.length(entries.len(), 0, *max, path);
                for (name, entry) in &entries {
                    let Value::String(entry) = entry else {
                        return Err(wrong_type(path));
                    };
                    self.text(*key, name, &format!("{path}.key"));
                    self.text(*value_text, entry, &format!("{path}.{name}"));
                }
                Ok(Value::Object(entries))
            }
            (Shape::Structure(members), Value::Object(object)) => {
                self.members(members, object, path)
            }
            (Shape::Union(members), Value::Object(object)) => {
                // An arm that is unknown counts too: it must not pass for one that was left out.
                let given = object.values().filter(|arm| !arm.is_null()).count();
                let Value::Object(kept) = self.members(members, object, path)? else {
                    return Err(wrong_type(path));
                };
                if kept.len() != 1 || given != 1 {
                    let names: Vec<_> = members.iter().map(|m| m.name).collect();
                    self.broke(
                        path,
                        format!("Member must have exactly one of: [{}]", names.join(", ")),
                    );
                }
                Ok(Value::Object(kept))
            }
            _ => Err(wrong_type(path)),
        }
    }

    fn members(
        &mut self,
        members: &'static [Member],
        mut object: Map<String, Value>,
        path: &str,
    ) -> Result<Value, ApiError> {
        let mut kept = Map::new();
        for member in members {
            let inner = if path.is_empty() {
                member.name.to_owned()
            } else {
                format!("{path}.{}", member.name)
            };
            match object.remove(member.name) {
                None | Some(Value::Null) if member.required => {
                    self.broke(&inner, "Member must not be null".to_owned());
                }
                None | Some(Value::Null) => {}
                Some(value) => {
                    kept.insert(
                        member.name.to_owned(),
                        self.value(member.shape, value, &inner)?,
                    );
                }
            }
        }
        Ok(Value::Object(kept))
    }

    fn text(&mut self, text: Text, value: &str, path: &str) {
        self.length(value.chars().count(), text.min, text.max, path);
        if !text.pattern.is_empty() && !matches(text.pattern, value) {
            self.broke(
                path,
                format!(
                    "Member must satisfy regular expression pattern: {}",
                    text.pattern
                ),
            );
        }
    }

    fn length(&mut self, length: usize, min: usize, max: usize, path: &str) {
        if length < min {
            self.broke(
                path,
                format!("Member must have length greater than or equal to {min}"),
            );
        }
        if length > max {
            self.broke(
                path,
                format!("Member must have length less than or equal to {max}"),
            );
        }
    }

    fn bounds(&mut self, value: i64, min: i64, max: i64, path: &str) {
        if value < min {
            self.broke(
                path,
                format!("Member must have value greater than or equal to {min}"),
            );
        }
        if value > max {
            self.broke(
                path,
                format!("Member must have value less than or equal to {max}"),
            );
        }
    }

    fn broke(&mut self, path: &str, message: String) {
        self.broken.push(FieldError {
            name: path.to_owned(),
            message,
        });
    }
}

fn wrong_type(path: &str) -> ApiError {
    ApiError::new(
        "SerializationException",
        format!("unexpected JSON type at '{path}'"),
    )
}

/// Whether the whole of `value` matches `pattern`. Patterns are compiled once.
///
/// # Panics
/// When the pattern is not a regular expression.
pub fn matches(pattern: &'static str, value: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    COMPILED
        .lock()
        .entry(pattern)
        .or_insert_with(|| {
            Regex::new(&format!("^(?:{pattern})$"))
                .expect("patterns of the API model are constants that a test compiles")
        })
        .is_match(value)
}
