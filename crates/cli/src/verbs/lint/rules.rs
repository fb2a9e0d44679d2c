//! The CEL rules of the CRDs, evaluated as the API server does when an object is created: rules about the former object
//! have nothing to say then.

use kube_cel::{CompiledSchema, ErrorKind, ValidationErrors, Validator, compile_schema};
use serde_json::Value;

use super::finding::{Found, steps};
use crate::error::Error;

/// The rules of one kind.
pub struct Rules {
    compiled: CompiledSchema,
    validator: Validator,
}

impl Rules {
    /// Compiles the rules of a CRD's schema.
    pub fn new(schema: &Value) -> Self {
        Self {
            compiled: compile_schema(schema),
            validator: Validator::new(),
        }
    }

    /// What the rules have against an object. A rule that cannot be evaluated here is an error, never a pass.
    pub fn check(&self, object: &Value) -> Result<Vec<Found>, Error> {
        let errors = match self
            .validator
            .validate_compiled(&self.compiled, object, None)
        {
            Ok(()) => return Ok(Vec::new()),
            Err(errors) => ValidationErrors::into_vec(errors),
        };
        let mut found = Vec::new();
        for error in errors {
            match error.kind {
                ErrorKind::ValidationFailure => {
                    found.push(Found::at(&steps(&error.field_path), error.message));
                }
                // The API server refuses too what makes a rule fail, such as a duration that is none.
                ErrorKind::EvaluationError => {
                    let message = format!(
                        "the rule {:?} cannot be applied: {}",
                        error.rule, error.message
                    );
                    found.push(Found::at(&steps(&error.field_path), message));
                }
                _ => {
                    return Err(Error::Failed(format!(
                        "this plugin cannot evaluate the rule {:?} ({}): use kubectl apply --dry-run=server, and report it",
                        error.rule, error.message
                    )));
                }
            }
        }
        Ok(found)
    }
}
