//! The CEL rules of the CRDs, evaluated as the API server does when an object is created: rules about the former object
//! have nothing to say then.

use kube_cel::{CompiledSchema, ErrorKind, ValidationErrors, Validator, compile_schema};
use serde_json::Value;

use super::finding::{Found, steps};
use super::patterns::ascii_space;
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
            compiled: compile_schema(&as_go(schema)),
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

/// The schema with its rules' patterns as Go reads them.
fn as_go(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| match value {
                Value::String(rule) if name == "rule" => (name.clone(), ascii_space(rule).into()),
                value => (name.clone(), as_go(value)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(as_go).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(rule: &str, object: &Value) -> Result<Vec<Found>, Error> {
        let schema = json!({"type": "object", "properties": {"spec": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": rule, "message": "said"}],
        }}});
        Rules::new(&schema).check(object)
    }

    #[test]
    fn a_rule_that_cannot_be_evaluated_here_is_an_error_and_never_a_pass() {
        let object = json!({"spec": {"a": "x"}});
        for rule in ["self.a.noSuchFunction()", "self.a ==", "unknownName == 1"] {
            assert!(check(rule, &object).is_err(), "{rule}");
        }
    }

    #[test]
    fn rules_about_the_former_object_say_nothing_and_the_others_name_their_place() {
        let object = json!({"spec": {"a": "x"}});
        assert_eq!(check("self.a == oldSelf.a", &object).unwrap(), []);
        let found = check("self.a == 'y'", &object).unwrap();
        assert_eq!(found, [Found::at(&["spec".to_owned()], "said".to_owned())]);
    }
}
