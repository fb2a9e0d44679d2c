//! Objects in S3 that runtimes take their code from.

use agentcore_api::reasons;
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::image::{Freshness, ObjectHead, Trouble};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::doors::Doors;
use super::{Failures, priority, serves};
use crate::control::Caller;
use crate::operation::Operation;

/// An object, for all who ask about it.
#[derive(Debug, Default)]
pub(super) struct Object {
    doors: Doors,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<ObjectHead>,
    failures: Option<Failures>,
}

impl Object {
    /// HeadObject, or what an earlier one said.
    pub async fn head(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        freshness: Freshness,
    ) -> Result<ObjectHead, Trouble> {
        let asked = Timestamp::now();
        let known = || self.state.lock().known(freshness, asked);
        let look = async {
            let answer = self.ask(caller, bucket, key, freshness, asked).await;
            self.doors.tell();
            answer
        };
        Box::pin(self.doors.look(caller.tenant(), known, look)).await
    }

    async fn ask(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        freshness: Freshness,
        asked: Timestamp,
    ) -> Result<ObjectHead, Trouble> {
        let began = Mutex::new(asked);
        let request = caller.s3.head_object().bucket(bucket).key(key);
        let answer = caller
            .call(Operation::HeadObject, priority(freshness), || {
                *began.lock() = Timestamp::now();
                request.clone().send()
            })
            .await;
        let at = *began.lock();
        let mut state = self.state.lock();
        match answer {
            Ok(answer) => {
                let version = answer
                    .version_id()
                    .filter(|id| !id.is_empty() && *id != "null");
                let modified = answer.last_modified();
                let head = ObjectHead {
                    version_id: version.map(str::to_owned),
                    etag: answer
                        .e_tag()
                        .unwrap_or_default()
                        .trim_matches('"')
                        .to_owned(),
                    last_modified: modified.and_then(|at| Timestamp::from_second(at.secs()).ok()),
                    at,
                };
                state.failures = None;
                state.seen = Some(head.clone());
                Ok(head)
            }
            Err(fault) => {
                let trouble = trouble(bucket, key, &fault);
                let failures = Failures::after(state.failures.as_ref(), at, &fault, trouble);
                let trouble = failures.trouble.clone();
                state.failures = Some(failures);
                Err(trouble)
            }
        }
    }
}

impl State {
    fn known(&self, freshness: Freshness, asked: Timestamp) -> Option<Result<ObjectHead, Trouble>> {
        let seen = self.seen.as_ref();
        if let Some(head) = seen.filter(|head| serves(head.at, freshness, asked)) {
            return Some(Ok(head.clone()));
        }
        let failures = self.failures.as_ref()?;
        failures
            .answers(freshness, asked)
            .then(|| Err(failures.trouble.clone()))
    }
}

/// A failed call for people.
fn trouble(bucket: &str, key: &str, fault: &Fault) -> Trouble {
    let Fault { code, message, .. } = fault;
    let place = format!("s3://{bucket}/{key}");
    let (reason, message) = match (code.as_str(), fault.class) {
        ("NotFound" | "NoSuchKey" | "NoSuchBucket" | "Http404", _) => {
            (reasons::CODE_NOT_FOUND, format!("object {place} not found"))
        }
        (_, Class::Denied) => (
            reasons::CODE_ACCESS_DENIED,
            format!(
                "s3:HeadObject of {place} was refused ({code}): allow the operator's role s3:GetObject on it, and s3:ListBucket to tell a missing object from a forbidden one"
            ),
        ),
        _ => (
            reasons::CODE_UNREACHABLE,
            format!("s3:HeadObject of {place} failed: {code}: {message}"),
        ),
    };
    Trouble {
        reason,
        message,
        again: None,
    }
}
