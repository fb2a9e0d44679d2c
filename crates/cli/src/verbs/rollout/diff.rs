//! `rollout diff`: what differs between the inputs of two versions, field by field. Values that may be secrets are not in the
//! history; where they differ, their HMACs do.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use serde_json::Value;

use super::{find, revisions};
use crate::args::Diff;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Tone, harmless, remark};
use crate::verbs::image::runtime;

/// Shows what differs.
pub async fn run(args: Diff, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let object = runtime(&args.name, cluster).await?;
    let kept = revisions(&object, cluster).await?;
    let newest = kept
        .first()
        .map(|one| one.version.clone())
        .unwrap_or_default();
    let to = args.to.unwrap_or(newest);
    let name = object.name_any();
    let (from, to) = (find(&kept, &args.from, &name)?, find(&kept, &to, &name)?);
    let changes = changes(&from.input, &to.input);
    if changes.is_empty() {
        remark(&format!(
            "versions {} and {} were made of the same",
            from.version, to.version
        ));
    }
    let paint = context.output.paint;
    let mut out = String::new();
    for (field, before, after) in changes {
        for (tone, sign, value) in [(Tone::Bad, '-', before), (Tone::Good, '+', after)] {
            if let Some(value) = value {
                out.push_str(&paint.text(tone, &harmless(&format!("{sign} {field}: {value}"))));
                out.push('\n');
            }
        }
    }
    context.output.print(&out)?;
    Ok(Outcome::Done)
}

type Change = (String, Option<String>, Option<String>);

fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten(from, "", &mut before);
    flatten(to, "", &mut after);
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |field: &String| {
        (
            field.clone(),
            before.get(field).cloned(),
            after.get(field).cloned(),
        )
    };
    fields
        .into_iter()
        .map(change)
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// Every leaf by its path. Items that have a name are known by it, so that one more does not move the others.
fn flatten(value: &Value, path: &str, leaves: &mut BTreeMap<String, String>) {
    let below = |step: &str| {
        if path.is_empty() {
            step.to_owned()
        } else {
            format!("{path}.{step}")
        }
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(value, &below(name), leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str);
                let step = name.map_or_else(|| at.to_string(), ToOwned::to_owned);
                let path = format!("{path}[{step}]");
                match (name, item.as_object()) {
                    (Some(_), Some(fields)) => {
                        for (field, value) in fields.iter().filter(|(field, _)| *field != "name") {
                            flatten(value, &format!("{path}.{field}"), leaves);
                        }
                    }
                    _ => flatten(item, &path, leaves),
                }
            }
        }
        leaf => drop(leaves.insert(path.to_owned(), leaf.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown_and_named_items_keep_their_place() {
        let from =
            json!({"description": "a", "env": [{"name": "B", "value": "1"}], "ports": [1, 2]});
        let to = json!({"description": "b", "env": [{"name": "A", "value": "0"}, {"name": "B", "value": "1"}], "ports": [1]});
        let shown: Vec<_> = changes(&from, &to)
            .into_iter()
            .map(|(field, before, after)| {
                format!(
                    "{field} {} {}",
                    before.unwrap_or_default(),
                    after.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "description \"a\" \"b\"",
                "env[A].value  \"0\"",
                "ports[1] 2 "
            ]
        );
    }
}
