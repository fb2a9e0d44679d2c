//! The CustomResourceDefinitions as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use crate::{AgentEndpoint, AgentGrant, AgentRuntime, AgentSession, GROUP, words};

/// Every CustomResourceDefinition of this project, in the order of their names.
///
/// Install these rather than `AgentRuntime::crd()`: `.status` defaults to `{observedGeneration: -1}` here, so that tools
/// which judge by kstatus see a new object as unobserved; a field of a spec that need not be given may be `null`, which counts as
/// not given; and what has not the form of its field is refused in words, with an example.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        AgentEndpoint::crd(),
        AgentGrant::crd(),
        AgentRuntime::crd(),
        AgentSession::crd(),
    ];
    for crd in &mut all {
        let kind = &crd.spec.names.kind;
        for version in &mut crd.spec.versions {
            let Some(root) = version
                .schema
                .as_mut()
                .and_then(|schema| schema.open_api_v3_schema.as_mut())
            else {
                continue;
            };
            normalise(root);
            let properties = root.properties.get_or_insert_default();
            if let Some(spec) = properties.get_mut("spec") {
                each(spec, &mut optional_takes_null);
                each(spec, &mut words::say);
            }
            if let Some(status) = properties.get_mut("status") {
                status.default = Some(JSON(json!({ "observedGeneration": -1 })));
            }
            let text = |says: String| JSONSchemaProps {
                type_: Some("string".to_owned()),
                description: Some(says),
                ..JSONSchemaProps::default()
            };
            let api_version = format!(
                "Group and version of this schema: `{GROUP}/{}`.",
                version.name
            );
            properties.insert("apiVersion".to_owned(), text(api_version));
            properties.insert(
                "kind".to_owned(),
                text(format!("What the object is: `{kind}`.")),
            );
            // The API server allows no more to be said of it.
            let metadata = JSONSchemaProps {
                type_: Some("object".to_owned()),
                ..JSONSchemaProps::default()
            };
            properties.insert("metadata".to_owned(), metadata);
        }
    }
    all
}

/// Takes out what Rust types say and Kubernetes does not mean.
fn normalise(root: &mut JSONSchemaProps) {
    each(root, &mut |schema: &mut JSONSchemaProps| {
        for property in schema
            .properties
            .iter_mut()
            .flat_map(|all| all.values_mut())
        {
            property.nullable = None;
        }
        // Formats that Kubernetes does not know cause a warning with every apply; the limits are in minimum and maximum.
        let unknown = |format: &String| format.starts_with("uint");
        schema.format = schema.format.take().filter(|format| !unknown(format));
    });
}

/// A field that is left empty in a manifest is `null`. Where `null` is not allowed, the API server drops it from a create and refuses it
/// in a server-side apply.
fn optional_takes_null(schema: &mut JSONSchemaProps) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, property) in schema.properties.iter_mut().flatten() {
        if !required.contains(name) {
            property.nullable = Some(true);
        }
    }
}

/// Does something to a schema and all that is below it.
fn each(schema: &mut JSONSchemaProps, what: &mut impl FnMut(&mut JSONSchemaProps)) {
    what(schema);
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|all| all.values_mut())
    {
        each(property, what);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each(item, what),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                each(item, what);
            }
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        each(value, what);
    }
}
