//! The Lease object: reading it, writing it without overwriting anybody, and judging from its changes whether its holder lives.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use serde_json::json;

use super::clock::Moment;

/// Who wrote the fields.
const MANAGER: &str = "agentcore-operator-lease";

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Somebody wrote in between.
    #[error("somebody else wrote the lease")]
    Conflict,
    /// The object is not there.
    #[error("the lease is gone")]
    Gone,
    /// No answer in time.
    #[error("the API server did not answer within {} s", super::REQUEST.as_secs())]
    Timeout,
    /// Whatever else the API server said.
    #[error("the API server refused, or did not answer")]
    Kube(#[source] kube::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 409 => Self::Conflict,
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            _ => Self::Kube(error),
        }
    }
}

/// One Lease object, as one replica uses it. Every request ends within [`super::REQUEST`].
#[derive(Debug)]
pub(super) struct Record {
    api: Api<Lease>,
    name: String,
    identity: String,
}

/// A lease that this replica holds.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    version: String,
    acquired: MicroTime,
}

impl Record {
    pub(super) fn new(name: &str, client: Client, namespace: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
        }
    }

    /// The object, if it is there.
    pub(super) async fn read(&self) -> Result<Option<Lease>, Error> {
        in_time(self.api.get_opt(&self.name)).await
    }

    /// Makes the object, held by this replica.
    pub(super) async fn create(&self) -> Result<Hold, Error> {
        let now = now();
        let object = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now.clone()),
                lease_duration_seconds: Some(seconds(super::DURATION)),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = in_time(self.api.create(&params, &object)).await?;
        Ok(Hold {
            version: made.metadata.resource_version.unwrap_or_default(),
            acquired: now,
        })
    }

    /// Takes the object as it was seen.
    pub(super) async fn take(&self, seen: &Lease) -> Result<Hold, Error> {
        let now = now();
        let transitions = seen.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let version = seen.metadata.resource_version.clone().unwrap_or_default();
        let spec = json!({
            "holderIdentity": self.identity,
            "acquireTime": now,
            "renewTime": now,
            "leaseDurationSeconds": seconds(super::DURATION),
            "leaseTransitions": transitions.unwrap_or_default().saturating_add(1),
        });
        let version = self.write(&version, spec).await?;
        Ok(Hold {
            version,
            acquired: now,
        })
    }

    /// Says that this replica still holds it.
    pub(super) async fn renew(&self, hold: &Hold) -> Result<Hold, Error> {
        let spec = json!({
            "renewTime": now(),
            "leaseDurationSeconds": seconds(super::DURATION),
        });
        let version = self.write(&hold.version, spec).await?;
        Ok(Hold {
            version,
            acquired: hold.acquired.clone(),
        })
    }

    /// What this replica holds if it is still that what it took: a renewal whose answer was lost changed the version alone.
    pub(super) fn still(&self, hold: &Hold, seen: &Lease) -> Option<Hold> {
        let spec = seen.spec.as_ref()?;
        let ours = spec.holder_identity.as_ref() == Some(&self.identity)
            && spec.acquire_time.as_ref() == Some(&hold.acquired);
        ours.then(|| Hold {
            version: seen.metadata.resource_version.clone().unwrap_or_default(),
            acquired: hold.acquired.clone(),
        })
    }

    /// Gives it to whoever waits for it.
    pub(super) async fn release(&self, hold: &Hold) -> Result<(), Error> {
        match self.clear(hold).await {
            Err(Error::Conflict) => {
                let seen = self.read().await?.ok_or(Error::Gone)?;
                let hold = self.still(hold, &seen).ok_or(Error::Conflict)?;
                self.clear(&hold).await
            }
            done => done,
        }
    }

    async fn clear(&self, hold: &Hold) -> Result<(), Error> {
        let spec = json!({
            "holderIdentity": null,
            "acquireTime": null,
            "renewTime": null,
            "leaseDurationSeconds": null,
        });
        self.write(&hold.version, spec).await.map(drop)
    }

    /// Changes the object only if it has this version.
    async fn write(&self, version: &str, spec: serde_json::Value) -> Result<String, Error> {
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": spec});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        let written: Lease = in_time(self.api.patch(&self.name, &params, &patch)).await?;
        Ok(written.metadata.resource_version.unwrap_or_default())
    }
}

async fn in_time<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(super::REQUEST, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Timeout),
    }
}

/// In the precision that the API server keeps, so that what is read equals what was written.
fn now() -> MicroTime {
    let now = Timestamp::now();
    MicroTime(Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now))
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

/// What a replica that waits has seen of the holder. Whether that one lives is judged by this replica's own clock, from its last change
/// on: what the holder's clock said is never compared with anything.
#[derive(Debug, Default)]
pub(super) struct Seen {
    last: Option<(Option<LeaseSpec>, Option<String>, Moment)>,
}

impl Seen {
    /// Notes what stands there; `now` is after the answer came.
    pub(super) fn note(&mut self, lease: &Lease, now: Moment) {
        let version = &lease.metadata.resource_version;
        let same = self
            .last
            .as_ref()
            .is_some_and(|(spec, before, _)| (spec, before) == (&lease.spec, version));
        if !same {
            self.last = Some((lease.spec.clone(), version.clone(), now));
        }
    }

    /// How long the lease is not to be taken. A lease without a holder is free at once, and so is one that was never there. One that is
    /// not there any more may have a holder that does not know it yet.
    pub(super) fn wait(&self, now: Moment) -> Duration {
        let Some((spec, _, since)) = &self.last else {
            return Duration::ZERO;
        };
        let holder = spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
        if holder.is_none_or(String::is_empty) {
            return Duration::ZERO;
        }
        since.after(super::DURATION).since(now)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::DURATION;
    use super::*;

    fn lease(holder: Option<&str>, renewed: SignedDuration, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(ToOwned::to_owned),
                renew_time: Some(MicroTime(Timestamp::now() + renewed)),
                lease_duration_seconds: Some(1),
                ..LeaseSpec::default()
            }),
        }
    }

    #[test]
    fn the_holders_clock_counts_for_nothing() {
        for skew in [-3600, -60, 0, 60, 3600] {
            let mut seen = Seen::default();
            let start = Moment::now();
            let first = lease(Some("other"), SignedDuration::from_secs(skew), "1");
            seen.note(&first, start);
            assert_eq!(seen.wait(start), DURATION, "{skew}");
            // Seen again without a change: the time runs.
            let later = start.after(Duration::from_secs(9));
            seen.note(&first, later);
            assert_eq!(
                seen.wait(later),
                DURATION.saturating_sub(Duration::from_secs(9)),
                "{skew}"
            );
            // Renewed: it begins again.
            let renewed = lease(Some("other"), SignedDuration::from_secs(skew), "2");
            seen.note(&renewed, later);
            assert_eq!(seen.wait(later), DURATION, "{skew}");
            assert_eq!(seen.wait(later.after(DURATION)), Duration::ZERO, "{skew}");
        }
    }

    #[test]
    fn a_lease_without_a_holder_is_free_at_once() {
        let now = Moment::now();
        let mut seen = Seen::default();
        assert_eq!(seen.wait(now), Duration::ZERO);
        for holder in [None, Some("")] {
            seen.note(&lease(holder, SignedDuration::ZERO, "1"), now);
            assert_eq!(seen.wait(now), Duration::ZERO);
        }
    }
}
