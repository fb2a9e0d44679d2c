//! Lists that are maps or sets to the API server: no two items may be the same.

use serde_json::Value;

use super::finding::Found;

/// What is there twice.
pub fn check(schema: &Value, value: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    walk(schema, value, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: &Value, value: &Value, path: &mut Vec<String>, found: &mut Vec<Found>) {
    match value {
        Value::Object(fields) => {
            for (name, below) in fields {
                let properties = schema.get("properties").and_then(|all| all.get(name));
                let Some(schema) = properties.or_else(|| schema.get("additionalProperties")) else {
                    continue;
                };
                path.push(name.clone());
                walk(schema, below, path, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            twice(schema, items, path, found);
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                walk(schema, item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn twice(schema: &Value, items: &[Value], path: &mut Vec<String>, found: &mut Vec<Found>) {
    let kind = schema.get("x-kubernetes-list-type").and_then(Value::as_str);
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let identity = |item: &Value| match kind {
        Some("set") => Some(vec![item.clone()]),
        Some("map") => Some(
            keys.iter()
                .map(|key| item.get(key).cloned().unwrap_or_default())
                .collect(),
        ),
        _ => None,
    };
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else {
            return;
        };
        if seen.contains(&identity) {
            let what: Vec<String> = identity.iter().map(ToString::to_string).collect();
            path.push(at.to_string());
            found.push(Found::at(
                path,
                format!("{} is there twice", what.join(", ")),
            ));
            path.pop();
        } else {
            seen.push(identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_that_comes_twice_is_named_at_its_second_place() {
        let schema = json!({"properties": {
            "env": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {}},
            "tags": {"x-kubernetes-list-type": "set", "items": {}},
        }});
        let value = json!({"env": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A"}], "tags": ["x", "y", "x"]});
        let places: Vec<_> = check(&schema, &value)
            .into_iter()
            .map(|found| found.path.join("."))
            .collect();
        assert_eq!(places, ["env.2", "tags.2"]);
    }
}
