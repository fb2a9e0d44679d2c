//! What is wrong in a manifest, and where.

use std::fmt;

use serde::Serialize;

/// Who would refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Judge {
    /// The API server, when the object is applied.
    ApiServer,
    /// The operator, once it reads the object.
    Operator,
}

/// Something wrong at a place in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who would refuse it.
    pub by: Judge,
    /// Place, such as `["spec", "env", "0"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

impl Found {
    /// Something there that the API server refuses.
    pub fn at(path: &[String], message: String) -> Self {
        Self {
            by: Judge::ApiServer,
            path: path.to_vec(),
            message,
        }
    }
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// File as it was named.
    pub file: String,
    /// Who would refuse it.
    pub by: Judge,
    /// Line, from 1.
    pub line: usize,
    /// Kind and name of the object, where it has them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// Field, such as `spec.env[0].name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        for part in [&self.object, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// `/spec/env/0` as steps.
pub fn path_of(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Steps as the API server writes them: `spec.env[0]`.
pub fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !step.is_empty() && !text.is_empty() {
            text.extend(["[", step, "]"]);
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        }
    }
    text
}

/// `spec.env[0]` as steps, as the rules' evaluator names places.
pub fn steps(dotted: &str) -> Vec<String> {
    dotted
        .split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_the_api_server_writes_them() {
        let path = path_of("/spec/env/0/a~1b");
        assert_eq!(path, ["spec", "env", "0", "a/b"]);
        assert_eq!(dotted(&path), "spec.env[0].a/b");
        assert_eq!(steps("spec.env[0].name"), ["spec", "env", "0", "name"]);
    }
}
