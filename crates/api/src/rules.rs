//! Building blocks of the schema: CEL rules that several kinds use, and the shape of tags.
//!
//! Limits of a single value are plain schema (length, range): the API server's own message then names field and limit. CEL is
//! for what relates fields to each other, to their former selves, or map keys to their limits; and what is a pattern here becomes
//! a rule with words ([`crate::crds`]).

use kube::core::{Reason, Rule};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// AWS allows 50 tags; five of them are the ownership tags.
pub(crate) const SPEC_TAGS_MAX: usize = 45;
/// Characters of tag keys and values (AgentCore API: `TagKey`, `TagValue`).
pub(crate) const TAG_PATTERN: &str = r"^[a-zA-Z0-9\s._:/=+@-]*$";

/// An optional field of `spec` that is decided when the object is created: later neither changed, nor removed, nor added.
///
/// It stands on `spec`, because a rule on the field itself is not asked when the field comes or goes.
pub(crate) fn fixed(field: &str) -> Rule {
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(
        format!("spec.{field} is fixed at creation: it cannot be changed, removed or added later").as_str(),
    )
    .reason(Reason::FieldValueForbidden)
    .field_path(format!(".{field}"))
}

/// A required reference of `spec` that is decided when the object is created.
pub(crate) fn fixed_reference(field: &str) -> Rule {
    Rule::new(format!("self.{field} == oldSelf.{field}"))
        .message(format!("spec.{field} is fixed at creation: it cannot be changed later").as_str())
        .reason(Reason::FieldValueForbidden)
        .field_path(format!(".{field}"))
}

/// A struct that stands for a union: exactly one of `fields` is given. `place` is the struct's path in the manifest.
pub(crate) fn exactly_one(place: &str, fields: &[&str]) -> Rule {
    let given: Vec<_> = fields
        .iter()
        .map(|field| format!("has(self.{field})"))
        .collect();
    Rule::new(format!("[{}].exists_one(given, given)", given.join(", ")))
        .message(format!("{place} must have exactly one of {}", fields.join(", ")).as_str())
}

/// A duration field from `least` to `most`, both as Go writes them.
pub(crate) fn duration_range(place: &str, least: &str, most: &str) -> Rule {
    // What is no duration is refused for that alone.
    let form = crate::limits::DURATION_PATTERN;
    Rule::new(format!(
        "!self.matches(r'{form}') || (duration(self) >= duration('{least}') && duration(self) <= duration('{most}'))"
    ))
    .message(format!("{place} must be from {least} to {most}").as_str())
}

/// Sessions that end when idle do so before they end of age.
pub(crate) fn idle_within_life() -> Rule {
    let form = crate::limits::DURATION_PATTERN;
    let (idle, life) = ("self.idleRuntimeSessionTimeout", "self.maxLifetime");
    Rule::new(format!(
        "!has({idle}) || !has({life}) || !{idle}.matches(r'{form}') || !{life}.matches(r'{form}') || duration({idle}) <= duration({life})"
    ))
    .message("spec.lifecycle.idleRuntimeSessionTimeout must not be longer than maxLifetime")
}

/// A name other than those that are derived: nobody takes the name that another object's runtime is to have.
pub(crate) fn not_reserved(place: &str) -> Rule {
    let pattern = crate::limits::RESERVED_NAME_PATTERN;
    Rule::new(format!("!self.matches('{pattern}')"))
        .message(format!("{place} must not have the form of derived names, {pattern}").as_str())
        .reason(Reason::FieldValueForbidden)
}

/// A whole port other than 8443, which AgentCore keeps for itself.
pub(crate) fn not_8443(place: &str) -> Rule {
    Rule::new("self != 8443").message(format!("{place} must not be 8443").as_str())
}

/// Refuses a field of a runtime's spec on microVMs (without a capacity provider) where `of_others` holds of it: only instances have that
/// (AgentCore's user guide, November 2026).
pub(crate) fn micro_vm(field: &str, of_others: &str, message: &str) -> Rule {
    compute("has(self.capacityProvider)", field, of_others, message)
}

/// As [`micro_vm`], on instances (with a capacity provider).
pub(crate) fn instances(field: &str, of_others: &str, message: &str) -> Rule {
    compute("!has(self.capacityProvider)", field, of_others, message)
}

/// A microVM lives 8 hours at most (AgentCore developer guide). How long an instance does is for its capacity provider to say.
pub(crate) fn life_of_micro_vm() -> Rule {
    let form = crate::limits::DURATION_PATTERN;
    let longer = ["idleRuntimeSessionTimeout", "maxLifetime"].map(|field| {
        let value = format!("self.lifecycle.{field}");
        format!("has({value}) && {value}.matches(r'{form}') && duration({value}) > duration('8h')")
    });
    micro_vm(
        "lifecycle",
        &longer.join(" || "),
        "idleRuntimeSessionTimeout and maxLifetime of spec.lifecycle must be at most 8h on microVMs: sessions live longer on a spec.capacityProvider only",
    )
}

fn compute(other: &str, field: &str, of_others: &str, message: &str) -> Rule {
    Rule::new(format!("{other} || !has(self.{field}) || !({of_others})"))
        .message(message)
        .field_path(format!(".{field}"))
}

/// Refuses names of request headers that AgentCore passes on for nobody.
pub(crate) fn not_restricted(place: &str) -> Rule {
    let names: Vec<_> = crate::limits::RESTRICTED_HEADERS
        .iter()
        .map(|name| format!("'{name}'"))
        .collect();
    Rule::new(format!(
        "self.all(name, !(name.lowerAscii() in [{}]))",
        names.join(",")
    ))
    .message(
        format!(
            "names in {place} must not be of headers that AWS keeps for the connection and the platform, such as User-Agent, Cookie, Origin and Host"
        )
        .as_str(),
    )
}

/// Takes the description off an enum's schema. In an `Option` it would replace the description of the field.
pub(crate) fn undescribed(schema: &mut Schema) {
    schema.remove("description");
}

/// Makes one `enum` of the names that this release knows, in the place of the alternatives that schemars writes for an enumeration with the arm
/// `Other`. So admission takes the known names only, and decoders also take what a newer CRD lets in.
pub(crate) fn known_names(schema: &mut Schema) {
    let alternatives = schema.remove("anyOf");
    let alternatives = alternatives.iter().filter_map(Value::as_array).flatten();
    let names: Vec<_> = alternatives
        .flat_map(|one| {
            let several = one["enum"].as_array().into_iter().flatten();
            several.chain(one.get("const"))
        })
        .cloned()
        .collect();
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), names.into());
    undescribed(schema);
}

/// Tags of a spec.
pub(crate) fn spec_tags(_: &mut SchemaGenerator) -> Schema {
    tags(SPEC_TAGS_MAX, "spec.tags", &["aws:", "agentcore.dev/"])
}

/// Tags of what AgentCore makes in a VPC for a private endpoint; the operator adds none of its own.
pub(crate) fn managed_vpc_tags(_: &mut SchemaGenerator) -> Schema {
    tags(50, "managedVpcResource.tags", &["aws:"])
}

fn tags(most: usize, place: &str, reserved: &[&str]) -> Schema {
    let reserved_rules: Vec<_> = reserved
        .iter()
        .map(|prefix| format!("!key.startsWith('{prefix}')"))
        .collect();
    json_schema!({
        "type": "object",
        "maxProperties": most,
        "additionalProperties": { "type": "string", "nullable": true, "maxLength": 256, "pattern": TAG_PATTERN },
        "x-kubernetes-validations": [
            {
                "rule": "self.all(key, size(key) >= 1 && size(key) <= 128)",
                "message": format!("keys of {place} must have 1 to 128 characters"),
            },
            {
                "rule": format!("self.all(key, key.matches(r'{TAG_PATTERN}'))"),
                "message": format!("keys of {place} may have letters, digits, white space and . _ : / = + @ - only"),
            },
            {
                "rule": format!("self.all(key, {})", reserved_rules.join(" && ")),
                "message": format!("keys of {place} must not begin with {}", reserved.join(" or ")),
                "reason": "FieldValueForbidden",
            },
        ],
    })
}

/// Scopes as they are advertised: 1 to 50, keys and values of 1 to 255 characters of OAuth's alphabet.
pub(crate) fn scope_mapping(_: &mut SchemaGenerator) -> Schema {
    let place = "customJWT.advertisedScopeMapping";
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 50,
        "additionalProperties": {
            "type": "string", "nullable": true, "minLength": 1, "maxLength": 255, "pattern": crate::limits::SCOPE_PATTERN,
        },
        "x-kubernetes-validations": [
            {
                "rule": "self.all(key, size(key) >= 1 && size(key) <= 255)",
                "message": format!("keys of {place} must have 1 to 255 characters"),
            },
            {
                "rule": format!("self.all(key, key.matches(r'{}'))", crate::limits::SCOPE_PATTERN),
                "message": format!("keys of {place} may have printable ASCII characters only, without space, quote and backslash"),
            },
        ],
    })
}
