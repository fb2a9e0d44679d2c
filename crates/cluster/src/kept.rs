//! What caches keep of each kind: an object as it is while it is small, else what others than its own passes read of it.

use std::io::{self, Write};

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, reasons};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::readable::{Raw, Why};
use super::salvage;

/// Largest object that is kept as it is, in bytes of JSON.
const WHOLE: usize = 8 * 1024;

/// A kind that people write and that is kept in memory.
pub trait Kept:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// The smallest spec that can be read, as JSON.
    const LEAST_SPEC: &'static str;

    /// Takes away what only passes over the object itself read and what may be large. Whether there was anything of it.
    fn slim(&mut self) -> bool;

    /// The conditions in status.
    fn conditions(&mut self) -> Option<&mut Vec<Condition>>;
}

/// An object as a cache takes it.
#[derive(Debug)]
pub struct Piece<K> {
    /// The object.
    pub object: K,
    /// Bytes of JSON of what is kept.
    pub bytes: usize,
    /// Bytes of JSON of the whole object, where that is more than what is kept: a pass has to read it.
    pub whole: Option<usize>,
    /// Whether its status says that it cannot be read; that is over.
    pub marked: bool,
}

impl<K: Kept> Raw<K> {
    /// What a cache keeps of the object. One that is being deleted is kept whatever it looks like, as far as its deletion needs it.
    ///
    /// # Errors
    /// [`Why::Unreadable`].
    pub fn piece(&self) -> Result<Piece<K>, Why> {
        let (mut object, marked) = self.whole()?;
        let mut bytes = size(&object);
        let mut whole = None;
        if bytes > WHOLE && object.slim() {
            whole = Some(bytes);
            bytes = size(&object);
        }
        Ok(Piece {
            object,
            bytes,
            whole,
            marked,
        })
    }

    /// The whole object, and whether its status says that it cannot be read. The object is without that verdict: it is over.
    ///
    /// # Errors
    /// [`Why::Unreadable`].
    pub fn whole(&self) -> Result<(K, bool), Why> {
        let mut object = match self.decode() {
            Err(_) if self.metadata().deletion_timestamp.is_some() => salvage::salvage(self),
            decoded => decoded,
        }?;
        let mut marked = false;
        if let Some(conditions) = object.conditions() {
            let before = conditions.len();
            conditions.retain(|one| !is_mark(one));
            marked = conditions.len() < before;
        }
        Ok((object, marked))
    }
}

/// Whether a condition says that the object is left alone.
fn is_mark(condition: &Condition) -> bool {
    [reasons::UNREADABLE, reasons::OVER_THE_LIMIT].contains(&condition.reason.as_str())
}

/// Bytes of JSON.
fn size(object: &impl Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What was read can be written; if not, it counts for as much as was written.
    let _ = serde_json::to_writer(&mut count, object);
    count.0
}

impl Kept for AgentRuntime {
    const LEAST_SPEC: &'static str = r#"{"artifact":{},"executionRole":{"arn":""}}"#;

    fn slim(&mut self) -> bool {
        let spec = &mut self.spec;
        let mut dropped = spec.description.take().is_some();
        dropped |= spec.tags.take().is_some();
        for variable in spec.env.iter_mut().flatten() {
            dropped |= variable.value.take().is_some();
        }
        // That there is one is looked at elsewhere too.
        if let Some(policy) = &mut spec.resource_policy {
            dropped |= !std::mem::take(policy).is_empty();
        }
        dropped
    }

    fn conditions(&mut self) -> Option<&mut Vec<Condition>> {
        Some(&mut self.status.as_mut()?.conditions)
    }
}

impl Kept for AgentEndpoint {
    const LEAST_SPEC: &'static str = r#"{"runtimeRef":{"name":""},"version":"Latest"}"#;

    fn slim(&mut self) -> bool {
        let dropped = self.spec.description.take().is_some();
        self.spec.tags.take().is_some() || dropped
    }

    fn conditions(&mut self) -> Option<&mut Vec<Condition>> {
        Some(&mut self.status.as_mut()?.conditions)
    }
}

impl Kept for AgentSession {
    const LEAST_SPEC: &'static str = "{}";

    fn slim(&mut self) -> bool {
        let keep_alive = self.spec.keep_alive.as_mut();
        let payload = keep_alive.and_then(|one| one.payload.take_if(|it| it.text().is_ok()));
        payload.is_some()
    }

    fn conditions(&mut self) -> Option<&mut Vec<Condition>> {
        Some(&mut self.status.as_mut()?.conditions)
    }
}
