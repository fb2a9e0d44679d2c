//! The Lease object: reading it, and writing it without overwriting anybody.

use std::time::Duration;

use agentcore_plan::lease::{Answer, Hold, Record, Request};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use serde_json::{Value, json};

/// Who wrote the fields.
const MANAGER: &str = "agentcore-operator-lease";

/// Why it is not known what became of a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No answer in time.
    #[error("the API server did not answer within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// Whatever else the API server said.
    #[error("the API server refused, or did not answer")]
    Kube(#[from] kube::Error),
}

/// One Lease object, as one replica uses it.
#[derive(Debug)]
pub(super) struct Lock {
    api: Api<Lease>,
    name: String,
    identity: String,
}

impl Lock {
    pub(super) fn new(name: &str, client: Client, namespace: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
        }
    }

    /// Name of this replica.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// Asks the API server, and waits so long for its answer.
    pub(super) async fn ask(&self, request: Request, within: Duration) -> Result<Answer, Error> {
        match tokio::time::timeout(within, self.send(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Answer::Conflict),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Answer::Gone),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::Timeout(within)),
        }
    }

    async fn send(&self, request: Request) -> kube::Result<Answer> {
        let now = now();
        let duration = super::TERMS.duration.as_secs();
        let (version, acquired, spec) = match request {
            Request::Read => {
                let there = self.api.get_opt(&self.name).await?;
                return Ok(Answer::Read(there.map(record)));
            }
            Request::Create => return self.create(now).await,
            Request::Take(record) => {
                let spec = json!({
                    "holderIdentity": self.identity,
                    "acquireTime": now,
                    "renewTime": now,
                    "leaseDurationSeconds": duration,
                    "leaseTransitions": record.transitions.saturating_add(1),
                });
                (record.version, now.0, spec)
            }
            Request::Renew(hold) => {
                let spec = json!({"renewTime": now, "leaseDurationSeconds": duration});
                (hold.version, hold.acquired, spec)
            }
            Request::Release(hold) => {
                let spec = json!({
                    "holderIdentity": null,
                    "acquireTime": null,
                    "renewTime": null,
                    "leaseDurationSeconds": null,
                });
                (hold.version, hold.acquired, spec)
            }
        };
        self.write(&version, acquired, spec).await
    }

    async fn create(&self, now: MicroTime) -> kube::Result<Answer> {
        let object = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now.clone()),
                lease_duration_seconds: i32::try_from(super::TERMS.duration.as_secs()).ok(),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = self.api.create(&params, &object).await?;
        Ok(written(made, now.0))
    }

    /// Changes the object only if it has this version.
    async fn write(&self, version: &str, acquired: Timestamp, spec: Value) -> kube::Result<Answer> {
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": spec});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        let lease = self.api.patch(&self.name, &params, &patch).await?;
        Ok(written(lease, acquired))
    }
}

fn record(lease: Lease) -> Record {
    let spec = lease.spec.unwrap_or_default();
    Record {
        version: lease.metadata.resource_version.unwrap_or_default(),
        holder: spec.holder_identity,
        acquired: spec.acquire_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

fn written(lease: Lease, acquired: Timestamp) -> Answer {
    Answer::Written(Hold {
        version: lease.metadata.resource_version.unwrap_or_default(),
        acquired,
    })
}

/// In the precision that the API server keeps, so that what is read equals what was written.
fn now() -> MicroTime {
    let now = Timestamp::now();
    MicroTime(Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now))
}
