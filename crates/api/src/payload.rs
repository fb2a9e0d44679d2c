//! The payload of a keepalive: JSON that is the agent's business, read within bounds and kept as text.
//!
//! What is beyond the bounds is skipped while it is read, not refused: the object around it stays readable, and its owner is told.
//! Field names mean nothing here, also those that `serde_json` gives a meaning to.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

/// Most bytes of a payload, as JSON without white space.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Most levels of objects and lists in each other, the payload itself included.
pub const PAYLOAD_LEVELS_MAX: usize = 32;

/// A payload, or why it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Result<Box<str>, PayloadError>);

/// Why a payload is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More than [`PAYLOAD_BYTES_MAX`].
    #[error("spec.keepAlive.payload is larger than 64 KiB")]
    TooLarge,
    /// More than [`PAYLOAD_LEVELS_MAX`].
    #[error("spec.keepAlive.payload has more than 32 levels")]
    TooDeep,
}

impl Payload {
    /// The JSON text.
    ///
    /// # Errors
    /// [`PayloadError`]: it was beyond a bound, and is not kept.
    pub fn text(&self) -> Result<&str, PayloadError> {
        self.0.as_deref().map_err(|error| *error)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bounds = Bounds {
            left: PAYLOAD_BYTES_MAX,
            broken: None,
        };
        let json = deserializer.deserialize_map(Bounded {
            bounds: &mut bounds,
            level: 1,
        })?;
        if let Some(error) = bounds.broken {
            return Ok(Self(Err(error)));
        }
        let text = serde_json::to_string(&json).map_err(serde::de::Error::custom)?;
        Ok(Self(if text.len() > PAYLOAD_BYTES_MAX {
            Err(PayloadError::TooLarge)
        } else {
            Ok(text.into())
        }))
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(text) => serde_json::from_str::<Json>(text)
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Err(_) => serializer.serialize_none(),
        }
    }
}

/// Any JSON. The number of levels is bounded where it is read.
enum Json {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Fields(Vec<(String, Self)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Fields(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bounds = Bounds {
            left: PAYLOAD_BYTES_MAX,
            broken: None,
        };
        let bounded = Bounded {
            bounds: &mut bounds,
            level: 1,
        };
        let json = bounded.deserialize(deserializer)?;
        match bounds.broken {
            None => Ok(json),
            Some(error) => Err(serde::de::Error::custom(error)),
        }
    }
}

/// What may still be read.
struct Bounds {
    /// Bytes, of which each value takes at least as many as it is written with.
    left: usize,
    broken: Option<PayloadError>,
}

impl Bounds {
    /// Takes bytes. False: nothing more is kept.
    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.broken.get_or_insert(PayloadError::TooLarge);
            }
        }
        self.broken.is_none()
    }

    /// Goes one level down. False: nothing more is kept.
    fn enter(&mut self, level: usize) -> bool {
        if level > PAYLOAD_LEVELS_MAX {
            self.broken.get_or_insert(PayloadError::TooDeep);
        }
        self.take(2)
    }
}

/// Reads a value at a level. What is beyond the bounds is skipped without recursion.
struct Bounded<'b> {
    bounds: &'b mut Bounds,
    level: usize,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        if self.bounds.broken.is_some() {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(Json::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.level == 1 {
            "a JSON object"
        } else {
            "JSON"
        })
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        self.bounds.take(1);
        Ok(Json::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Json, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        self.bounds.take(1);
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        self.bounds.take(1);
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        self.bounds.take(1);
        Ok(Json::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        self.bounds.take(1);
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(if self.bounds.take(text.len() + 2) {
            Json::Text(text.to_owned())
        } else {
            Json::Null
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        if self.bounds.enter(self.level) {
            while let Some(item) = seq.next_element_seed(Bounded {
                bounds: self.bounds,
                level: self.level + 1,
            })? {
                if self.bounds.broken.is_some() {
                    items = Vec::new();
                    break;
                }
                items.push(item);
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        if self.bounds.enter(self.level) {
            while let Some(name) = map.next_key::<String>()? {
                self.bounds.take(name.len() + 3);
                let value = map.next_value_seed(Bounded {
                    bounds: self.bounds,
                    level: self.level + 1,
                })?;
                if self.bounds.broken.is_some() {
                    fields = Vec::new();
                    break;
                }
                fields.push((name, value));
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Payload, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn nested(levels: usize) -> String {
        // The innermost value is a scalar; lists and objects take turns.
        let (mut head, mut tail) = (String::new(), String::new());
        for level in 0..levels {
            let (open, close) = if level % 2 == 0 {
                (r#"{"a":"#, "}")
            } else {
                ("[", "]")
            };
            head.push_str(open);
            tail.insert_str(0, close);
        }
        format!("{head}1{tail}")
    }

    #[test]
    fn a_payload_is_kept_as_it_is_written_whatever_its_fields_are_called() {
        for text in [
            "{}",
            r#"{"action":"keepalive","n":[1,-2,0.5,null,true,"x\n"],"o":{"p":{}}}"#,
            r#"{"$serde_json::private::RawValue":"{","b":1}"#,
            r#"{"$serde_json::private::Number":"x"}"#,
            r#"{"o":{"$serde_json::private::RawValue":[1]}}"#,
        ] {
            let payload = read(text).unwrap();
            assert_eq!(payload.text(), Ok(text));
            assert_eq!(serde_json::to_string(&payload).unwrap(), text);
        }
    }

    #[test]
    fn levels_and_bytes_are_bounded_and_what_is_beyond_is_skipped_to_its_end() {
        assert!(read(&nested(32)).unwrap().text().is_ok());
        for levels in [33, 34, 150, 100_000] {
            let text = format!(r#"[{},"after"]"#, nested(levels));
            let (payload, after): (Payload, String) = serde_json::from_str(&text).unwrap();
            assert_eq!(payload.text(), Err(PayloadError::TooDeep), "{levels}");
            assert_eq!(after, "after");
        }
        let wrapped = r#"{"a":""}"#.len();
        let of = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - wrapped));
        assert!(read(&of(PAYLOAD_BYTES_MAX)).unwrap().text().is_ok());
        let large = read(&of(PAYLOAD_BYTES_MAX + 1)).unwrap();
        assert_eq!(large.text(), Err(PayloadError::TooLarge));
        // Escapes are longer than what they stand for.
        let quotes = r#"\""#.repeat(PAYLOAD_BYTES_MAX / 2);
        let large = read(&format!(r#"{{"a":"{quotes}"}}"#)).unwrap();
        assert_eq!(large.text(), Err(PayloadError::TooLarge));
        let many = format!(r#"{{"a":[{}1]}}"#, "1,".repeat(PAYLOAD_BYTES_MAX));
        assert_eq!(read(&many).unwrap().text(), Err(PayloadError::TooLarge));
        assert_eq!(serde_json::to_string(&large).unwrap(), "null");
    }

    #[test]
    fn a_payload_is_an_object() {
        for text in ["1", "[]", r#""x""#, "true"] {
            read(text).unwrap_err();
        }
    }

    #[test]
    fn a_payload_is_read_from_yaml_too() {
        let payload: Payload = serde_yaml::from_str("{a: [1, x], b: {c: null}}").unwrap();
        assert_eq!(payload.text(), Ok(r#"{"a":[1,"x"],"b":{"c":null}}"#));
        assert_eq!(
            serde_yaml::to_string(&payload).unwrap(),
            "a:\n- 1\n- x\nb:\n  c: null\n"
        );
    }
}
