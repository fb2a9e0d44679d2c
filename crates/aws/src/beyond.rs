//! What AgentCore has beyond the SDK: members are added to a request before it is signed, and an answer is kept as it came.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

/// Members that a request has beside those of the SDK, as a JSON object.
#[derive(Clone, Debug)]
pub(super) struct Added(pub Value);

#[dyn_dispatch_hint]
impl Intercept for Added {
    fn name(&self) -> &'static str {
        "Added"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(());
        }
        let request = context.request_mut();
        let body = request.body().bytes().ok_or("the request has no body")?;
        let mut body: Value = serde_json::from_slice(body)?;
        merge(&mut body, &self.0);
        let body = serde_json::to_vec(&body)?;
        let length = body.len().to_string();
        request.headers_mut().insert("content-length", length);
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }
}

/// Objects are merged member by member; anything else takes the place of what was there.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The answer to the last attempt of a call, as it came. Clones see the same one.
#[derive(Clone, Default)]
pub(super) struct Raw(Arc<Mutex<Vec<u8>>>);

impl std::fmt::Debug for Raw {
    /// Answers have environment variables.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Raw")
    }
}

impl Raw {
    /// Its members; `None`: there was no answer, or none that is JSON.
    pub fn members(&self) -> Option<Value> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_slice(&body).ok()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Raw {
    fn name(&self) -> &'static str {
        "Raw"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The body has been read by now; before, it is a stream.
        if let Some(body) = context.response().body().bytes() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body.to_vec();
        }
        Ok(())
    }
}
