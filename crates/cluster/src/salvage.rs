//! What can be read of an object that cannot be read as a whole and is being deleted: enough to take down what it has in AWS.
//!
//! Each field of `spec` and of `status` is tried for itself, and those that do not fit are left out. The planner then deletes as ever: by the id in status,
//! after a look at the tags, and as the deletion policy says if that can be read.

use std::fmt::Write as _;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::kept::Kept;
use super::readable::{Raw, Why};

/// Fields of a spec that can say that what is in AWS stays; where one cannot be read, it stays.
const KEEPERS: [&str; 2] = ["deletionPolicy", "adopt"];
/// What says so.
const RETAIN: &str = r#"{"deletionPolicy":"Retain"}"#;

/// The object without the fields that do not fit.
///
/// # Errors
/// [`Why::Unreadable`]: not even so.
pub fn salvage<K: Kept>(raw: &Raw<K>) -> Result<K, Why> {
    let fields = |part: &str| {
        let part = raw.part(part).map(|part| Fields::read(part.get()));
        part.unwrap_or_default().0
    };
    let least = Fields::read(K::LEAST_SPEC).0;
    let spec = |fields: &[(String, &RawValue)]| {
        // A field that is given takes the place of the least one.
        let least = least.iter();
        let least = least.filter(|(name, _)| fields.iter().all(|(given, _)| given != name));
        object(&least.chain(fields).collect::<Vec<_>>())
    };
    let fits = |spec: &str, status: &str| read::<K>(spec, status).is_ok();
    let mut specs = fields("spec");
    let (mut keeps, retain) = (false, Fields::read(RETAIN).0);
    specs.retain(|field| {
        let fits = fits(&spec(std::slice::from_ref(field)), "{}");
        keeps |= !fits && KEEPERS.contains(&field.0.as_str());
        fits
    });
    if keeps {
        specs.retain(|(name, _)| retain.iter().all(|(given, _)| given != name));
        specs.extend(retain);
    }
    let nothing = spec(&[]);
    let mut told = fields("status");
    told.retain(|field| fits(&nothing, &object(&[field])));
    let status = object(&told.iter().collect::<Vec<_>>());
    let mut object = read::<K>(&spec(&specs), &status).map_err(|_| {
        Why::Unreadable("not enough of the object can be read to delete it".to_owned())
    })?;
    *object.meta_mut() = raw.metadata().clone();
    Ok(object)
}

fn read<K: Kept>(spec: &str, status: &str) -> serde_json::Result<K> {
    serde_json::from_str(&format!(
        r#"{{"metadata":{{}},"spec":{spec},"status":{status}}}"#
    ))
}

/// A JSON object of these fields.
fn object(fields: &[&(String, &RawValue)]) -> String {
    let mut text = String::from("{");
    for (name, value) in fields {
        let comma = if text.len() == 1 { "" } else { "," };
        let name = serde_json::Value::from(name.as_str());
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{name}:{}", value.get());
    }
    text.push('}');
    text
}

/// Fields of a JSON object, each value as text. Of a name that is there twice the last one counts.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Of anything but an object: none.
    fn read(text: &'a str) -> Self {
        let mut json = serde_json::Deserializer::from_str(text);
        Self::default().deserialize(&mut json).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'de> {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<&'de RawValue>()?;
            self.0.retain(|(before, _)| *before != name);
            self.0.push((name, value));
        }
        Ok(self)
    }
}
