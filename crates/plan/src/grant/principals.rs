//! Whom a resource policy lets in, read from its document. What is not understood counts as letting in anybody.

use std::fmt;

use agentcore_api::grant::ResourcePolicies;
use agentcore_api::values::Arn;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Deepest nesting of a document; AWS's own grammar needs 6.
const MOST_DEPTH: usize = 32;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum DocumentError {
    /// It is nested too deeply.
    #[error("it is nested more than {MOST_DEPTH} levels deep")]
    TooDeep,
    /// It is not JSON, or has a key twice, of which nobody knows which one AWS reads.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but no object.
    #[error("it must be a JSON object")]
    NotAnObject,
}

/// The widest circle that a resource policy document opens a runtime of `account` to; never `Deny`, which is no document at all.
/// Conditions narrow nothing here: what they compare is for the caller to say.
pub fn reach(document: &str, account: &str) -> Result<ResourcePolicies, DocumentError> {
    let Json::Map(fields) = parse(document)? else {
        return Err(DocumentError::NotAnObject);
    };
    let statements = fields
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case("Statement"))
        .flat_map(|(_, value)| value.items());
    let reach = statements.map(|statement| match statement {
        Json::Map(fields) => of_statement(fields, account),
        _ => ResourcePolicies::Any,
    });
    Ok(reach.fold(ResourcePolicies::SameAccount, Ord::max))
}

fn of_statement(fields: &[(String, Json)], account: &str) -> ResourcePolicies {
    let named = |name: &str| {
        let field = fields
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value)
    };
    if matches!(named("Effect"), Some(Json::Text(effect)) if effect == "Deny") {
        return ResourcePolicies::SameAccount;
    }
    // Everybody but some, or everybody whom AWS reads out of a statement that names nobody.
    let Some(Json::Map(kinds)) = named("Principal") else {
        return ResourcePolicies::Any;
    };
    let own = kinds.iter().all(|(kind, who)| {
        kind == "AWS"
            && who
                .items()
                .all(|who| matches!(who, Json::Text(who) if is_of(who, account)))
    });
    if own && !kinds.is_empty() && named("NotPrincipal").is_none() {
        ResourcePolicies::SameAccount
    } else {
        ResourcePolicies::Any
    }
}

/// Whether a principal is of the account: its number, or an ARN of IAM or STS in it.
fn is_of(principal: &str, account: &str) -> bool {
    if account.len() != 12 || !account.bytes().all(|sign| sign.is_ascii_digit()) {
        return false;
    }
    if principal == account {
        return true;
    }
    matches!(
        Arn(principal).parts(),
        Some([_, partition, "iam" | "sts", "", of, _]) if of == account && partition.starts_with("aws")
    )
}

fn parse(text: &str) -> Result<Json, DocumentError> {
    if depth(text) > MOST_DEPTH {
        return Err(DocumentError::TooDeep);
    }
    serde_json::from_str(text).map_err(|error| DocumentError::NotJson(error.to_string()))
}

/// How deep brackets are nested, those in strings left out.
fn depth(text: &str) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for sign in text.bytes() {
        match sign {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// JSON in which no key comes twice, whatever its case: AWS may read another one than we do.
#[derive(Debug)]
enum Json {
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
    Other,
}

impl Json {
    /// The items of a list; anything else is one item.
    fn items(&self) -> impl Iterator<Item = &Self> {
        match self {
            Self::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        }
        .iter()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        while let Some((key, value)) = from.next_entry::<String, Json>()? {
            if fields
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(&key))
            {
                return Err(serde::de::Error::custom("a key comes twice"));
            }
            fields.push((key, value));
        }
        Ok(Json::Map(fields))
    }
}
