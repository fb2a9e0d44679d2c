//! The CustomResourceDefinitions as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use crate::{AgentEndpoint, AgentGrant, AgentRuntime, AgentSession};

/// Every CustomResourceDefinition of this project, in the order of their names.
///
/// Install these rather than `AgentRuntime::crd()`: `.status` defaults to `{observedGeneration: -1}` here, so that tools
/// which judge by kstatus see a new object as unobserved; and a field given as `null` counts as not given.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        AgentEndpoint::crd(),
        AgentGrant::crd(),
        AgentRuntime::crd(),
        AgentSession::crd(),
    ];
    for crd in &mut all {
        for version in &mut crd.spec.versions {
            let Some(root) = version
                .schema
                .as_mut()
                .and_then(|schema| schema.open_api_v3_schema.as_mut())
            else {
                continue;
            };
            normalise(root);
            if let Some(status) = root
                .properties
                .as_mut()
                .and_then(|properties| properties.get_mut("status"))
            {
                status.default = Some(JSON(json!({ "observedGeneration": -1 })));
            }
        }
    }
    all
}

/// Takes out what Rust types say and Kubernetes does not mean.
fn normalise(schema: &mut JSONSchemaProps) {
    // Absent and null are one thing in these types: the API server drops null where it is not allowed.
    schema.nullable = None;
    // Formats that Kubernetes does not know cause a warning with every apply; the limits are in minimum and maximum.
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = None;
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        normalise(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => normalise(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(normalise),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        normalise(value);
    }
}
