//! What happens by itself: creates, updates and deletes come to their end, DEFAULT follows.
//!
//! Transitions are applied when somebody looks, each at the time it was due. A jump of the clock therefore acts at
//! once, and no timer is needed.

use std::sync::Arc;

use jiff::Timestamp;
use rand::rngs::StdRng;

use super::endpoint::{DEFAULT_ENDPOINT, Endpoint};
use super::ids;
use super::image::{Image, Images};
use super::partition::View;
use super::runtime::{Config, Runtime, Snapshot, Status};
use super::settings::Settings;

/// The architecture that AgentCore runs.
const ARCHITECTURES: [&str; 2] = ["arm64", "amd64"];

/// A transition that is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A create or update of a runtime ends.
    RuntimeSettles {
        /// Runtime id.
        id: String,
        /// The version it is about.
        version: u32,
    },
    /// A delete of a runtime ends.
    RuntimeGoes {
        /// Runtime id.
        id: String,
    },
    /// A create or move of an endpoint ends.
    EndpointSettles {
        /// Runtime id.
        id: String,
        /// Endpoint name.
        name: String,
        /// The version it moves to; the event is void when the endpoint has another target by then.
        target: u32,
    },
    /// A delete of an endpoint ends.
    EndpointGoes {
        /// Runtime id.
        id: String,
        /// Endpoint name.
        name: String,
    },
}

impl View<'_> {
    /// Applies everything that was due by now, in order.
    pub fn settle(&mut self) {
        let mut waiting = Vec::new();
        while let Some(entry) = self.part.events.first_entry() {
            let (due, seq) = *entry.key();
            if due > self.now {
                break;
            }
            let event = entry.remove();
            if self.waits(&event) {
                waiting.push(((due, seq), event));
            } else {
                self.apply(event, due);
            }
        }
        self.part.events.extend(waiting);
    }

    /// Whether something has to happen besides the passing of time.
    fn waits(&self, event: &Event) -> bool {
        match event {
            Event::RuntimeGoes { .. } | Event::EndpointGoes { .. } => self.settings.stuck_deleting,
            Event::RuntimeSettles { id, version } if self.settings.snapshots => {
                let runtime = self.part.runtimes.get(id);
                let version = runtime.and_then(|runtime| runtime.versions.get(version));
                version.is_some_and(|version| {
                    matches!(version.snapshot, Snapshot::Wanted | Snapshot::UnderWay)
                })
            }
            Event::RuntimeSettles { .. } | Event::EndpointSettles { .. } => false,
        }
    }

    fn apply(&mut self, event: Event, at: Timestamp) {
        match event {
            Event::RuntimeSettles { id, version } => {
                self.settle_runtime(&id, version, at);
                self.part.record(&id, at, self.settings);
            }
            Event::RuntimeGoes { id } => self.remove_runtime(&id, at),
            Event::EndpointSettles { id, name, target } => {
                self.settle_endpoint(&id, &name, target, at);
                self.part.record(&id, at, self.settings);
            }
            Event::EndpointGoes { id, name } => self.remove_endpoint(&id, &name, at),
        }
    }

    fn settle_runtime(&mut self, id: &str, number: u32, at: Timestamp) {
        let Some(runtime) = self.part.runtimes.get_mut(id) else {
            return;
        };
        let Some(version) = runtime.versions.get_mut(&number) else {
            return;
        };
        let verdict = verdict(
            &version.config,
            &self.part.account,
            self.settings,
            self.images,
        );
        let verdict = verdict.and_then(|image| match &version.snapshot {
            Snapshot::Done(Err(reason)) => Err(reason.clone()),
            _ => Ok(image),
        });
        version.last_updated_at = at;
        runtime.last_updated_at = at;
        match verdict {
            Ok(image) => {
                version.image = image;
                version.status = Status::Ready;
                runtime.status = Status::Ready;
                runtime.failure_reason = None;
                self.follow(id, number, at);
            }
            Err(reason) => {
                let status = if runtime.status == Status::Creating {
                    Status::CreateFailed
                } else {
                    Status::UpdateFailed
                };
                version.status = status;
                version.failure_reason = Some(reason.clone());
                runtime.status = status;
                runtime.failure_reason = Some(reason);
                if status == Status::UpdateFailed && !self.settings.update_failed_makes_version {
                    runtime.versions.remove(&number);
                    runtime.last_number = number - 1;
                }
            }
        }
    }

    /// DEFAULT comes into being with the first good version and moves to each later one.
    fn follow(&mut self, id: &str, number: u32, at: Timestamp) {
        let seq = self.part.next_seq();
        let (account, region) = (self.part.account.clone(), self.part.region.clone());
        let Some(runtime) = self.part.runtimes.get_mut(id) else {
            return;
        };
        if let Some(default) = runtime.endpoints.get_mut(DEFAULT_ENDPOINT) {
            default.status = Status::Updating;
            default.target = Some(number);
            default.last_updated_at = at;
        } else {
            let default = new_endpoint(
                self.rng,
                seq,
                &account,
                &region,
                runtime,
                DEFAULT_ENDPOINT,
                number,
                at,
            );
            runtime
                .endpoints
                .insert(DEFAULT_ENDPOINT.to_owned(), default);
        }
        let event = Event::EndpointSettles {
            id: id.to_owned(),
            name: DEFAULT_ENDPOINT.to_owned(),
            target: number,
        };
        self.part
            .schedule(at, self.settings.endpoint_delay_ms, event);
    }

    fn settle_endpoint(&mut self, id: &str, name: &str, target: u32, at: Timestamp) {
        let Some(runtime) = self.part.runtimes.get_mut(id) else {
            return;
        };
        let good = runtime
            .versions
            .get(&target)
            .is_some_and(|version| version.status == Status::Ready);
        let Some(endpoint) = runtime.endpoints.get_mut(name) else {
            return;
        };
        let moving = matches!(endpoint.status, Status::Creating | Status::Updating);
        if !moving || endpoint.target != Some(target) {
            return;
        }
        endpoint.last_updated_at = at;
        if good {
            endpoint.live = Some(target);
            endpoint.target = None;
            endpoint.status = Status::Ready;
            endpoint.failure_reason = None;
        } else {
            let creating = endpoint.status == Status::Creating;
            endpoint.status = if creating {
                Status::CreateFailed
            } else {
                Status::UpdateFailed
            };
            endpoint.failure_reason = Some(format!(
                "version {target} of agent runtime {id} is not READY"
            ));
        }
    }

    fn remove_runtime(&mut self, id: &str, at: Timestamp) {
        if self.settings.delete_fails {
            if let Some(runtime) = self.part.runtimes.get_mut(id) {
                runtime.status = Status::DeleteFailed;
                runtime.failure_reason = Some(
                    "the agent runtime could not be deleted because of an internal error"
                        .to_owned(),
                );
                runtime.last_updated_at = at;
                for endpoint in runtime.endpoints.values_mut() {
                    endpoint.status = Status::DeleteFailed;
                }
            }
            self.part.record(id, at, self.settings);
            return;
        }
        let Some(runtime) = self.part.runtimes.remove(id) else {
            return;
        };
        self.part.gone.insert(id.to_owned());
        self.part.runtime_journal.record(runtime.seq, at, None);
        for endpoint in runtime.endpoints.values() {
            self.part
                .endpoint_journal
                .record((runtime.id.clone(), endpoint.seq), at, None);
        }
    }

    fn remove_endpoint(&mut self, id: &str, name: &str, at: Timestamp) {
        let fails = self.settings.delete_fails;
        let Some(runtime) = self.part.runtimes.get_mut(id) else {
            return;
        };
        if fails {
            if let Some(endpoint) = runtime.endpoints.get_mut(name) {
                endpoint.status = Status::DeleteFailed;
                endpoint.failure_reason = Some(
                    "the endpoint could not be deleted because of an internal error".to_owned(),
                );
                endpoint.last_updated_at = at;
            }
            self.part.record(id, at, self.settings);
        } else if let Some(endpoint) = runtime.endpoints.remove(name) {
            self.part
                .endpoint_journal
                .record((id.to_owned(), endpoint.seq), at, None);
        }
    }
}

/// An endpoint in CREATING, on its way to a version.
#[allow(clippy::too_many_arguments)] // each is a plain fact about the new endpoint
pub fn new_endpoint(
    rng: &mut StdRng,
    seq: u64,
    account: &str,
    region: &str,
    runtime: &Runtime,
    name: &str,
    target: u32,
    at: Timestamp,
) -> Endpoint {
    Endpoint {
        seq,
        name: name.to_owned(),
        id: format!("{name}-{}", ids::alphanumeric(rng, 10)),
        arn: ids::arn(
            account,
            region,
            &format!("runtime/{}/runtime-endpoint/{name}", runtime.id),
        ),
        runtime_arn: runtime.arn.clone(),
        live: None,
        target: Some(target),
        status: Status::Creating,
        failure_reason: None,
        description: None,
        created_at: at,
        last_updated_at: at,
        tags: std::collections::BTreeMap::new(),
        policy: None,
    }
}

/// Whether a configuration can run: the image it means, or why not, in the service's words.
///
/// # Errors
/// The failure reason.
pub fn verdict(
    config: &Config,
    account: &str,
    settings: &Settings,
    images: &Images,
) -> Result<Option<Arc<Image>>, String> {
    let role = config.role_arn();
    let foreign = role
        .split(':')
        .nth(4)
        .is_some_and(|owner| !owner.is_empty() && owner != account);
    if foreign || settings.bad_roles.iter().any(|bad| bad == role) {
        return Err(format!(
            "Role validation failed for '{role}'. Verify that the role exists and that its trust policy allows this service to assume it"
        ));
    }
    let subnets: Vec<&str> = config
        .subnets()
        .into_iter()
        .filter(|s| settings.unsupported_subnets.iter().any(|bad| bad == s))
        .collect();
    if !subnets.is_empty() {
        return Err(format!(
            "The subnets [{}] are not in supported availability zones. Supported availability zone IDs: [use1-az1, use1-az2, use1-az4]",
            subnets.join(", ")
        ));
    }
    let Some(uri) = config.container_uri() else {
        // Where code artifacts lie is not simulated: they are as good as what was pushed for them, or no program at all.
        return Ok(config.code_uri().and_then(|uri| images.resolve(&uri)));
    };
    let image = images.resolve(uri).ok_or_else(|| {
        format!("The specified image identifier does not exist in the repository. Check the image URI '{uri}' and try again")
    })?;
    let supported: &[&str] = if config.on_capacity_provider() {
        &ARCHITECTURES
    } else {
        &ARCHITECTURES[..1]
    };
    let runs = |architecture: &String| supported.contains(&architecture.as_str());
    if !image.architectures.iter().any(runs) {
        return Err(format!(
            "Architecture incompatible for uri '{uri}'. Supported architectures: [{}]",
            supported.join(", ")
        ));
    }
    Ok(Some(image))
}
