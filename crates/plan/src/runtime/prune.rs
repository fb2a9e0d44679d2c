//! Old versions are deleted once nobody needs them: beyond the limit, and failed ones; never the newest, one that any endpoint in
//! AWS uses, or one with known sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use agentcore_api::limits::{DEFAULT_REVISION_HISTORY_LIMIT, VERSIONS_QUOTA};
use agentcore_api::reasons;
use agentcore_api::runtime::VersionsStatus;
use agentcore_api::{AgentRuntime, AgentRuntimeStatus};

use super::pass::{DELETE_VERSION, Pass};
use super::{Action, Decision, Listed, Outcome, Read, View};
use crate::aws::{Endpoint, ListedVersion, ServiceStatus};
use crate::conditions::{is_ready, ready_reason};
use crate::desk::{SOON, said};
use crate::fault::{Class, Fault};
use crate::step::{Rest, Sweep};

/// Pause after a deletion: the list of versions may lag.
const PAUSE: Duration = Duration::from_secs(5);
/// Pause before the next look while no list has confirmed what is on record.
const UNLISTED_PAUSE: Duration = Duration::from_secs(15);
/// Share of the quota from which on a warning is due, in percent.
const WARN_PERCENT: u32 = 80;

/// How many versions the spec keeps besides the newest.
pub(super) fn limit(object: &AgentRuntime) -> u32 {
    object
        .spec
        .revision_history_limit
        .unwrap_or(DEFAULT_REVISION_HISTORY_LIMIT)
}

fn number(version: &str) -> u32 {
    version.parse().unwrap_or_default()
}

/// Whether the sweep has to look at the versions of this runtime: there may be more than are kept, or nobody has looked since
/// the newest was made.
pub fn wanted(object: &AgentRuntime) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let newest = status.ready_version.as_deref().map_or(0, number);
    newest > 1 && (newest > limit(object).saturating_add(1) || unchecked(status))
}

fn unchecked(status: &AgentRuntimeStatus) -> bool {
    let checked = status.versions.as_ref().map(|versions| &versions.checked);
    checked != status.ready_version.as_ref()
}

/// Everything is as wished: are there versions to delete? Else it rests.
pub(super) fn plan(pass: Pass<'_>) -> Decision {
    let rest = match pass.view.facts.listed {
        Listed::Present { .. } => Rest::Settled,
        // Whether it still exists is for the next list to say.
        Listed::Unknown | Listed::Absent { .. } => Rest::After(UNLISTED_PAUSE),
    };
    if !pass.desk.reason_is(reasons::READY) {
        return pass.desk.rest(rest);
    }
    let swept = pass.view.due.sweep == Some(Sweep::Versions) && wanted(pass.view.object);
    let newest = pass.desk.status.ready_version.as_deref().map_or(0, number);
    let under_way = pass
        .desk
        .status
        .versions
        .as_ref()
        .is_some_and(|versions| versions.checked.is_empty());
    let many = newest > limit(pass.view.object).saturating_add(1) || under_way;
    let due = swept || (many && unchecked(&pass.desk.status));
    if !due {
        return pass.desk.rest(rest);
    }
    // That the wish is live is said first: what comes now may wait long for its turn.
    if !said_already(&pass) {
        return pass.desk.rest(Rest::After(SOON));
    }
    let id = pass.desk.status.id.clone().unwrap_or_default();
    let versions = match &pass.view.facts.versions {
        None => return pass.desk.read(Read::Versions { id }),
        Some(Ok(versions)) => versions.clone().unwrap_or_default(),
        Some(Err(fault)) => return given_up(pass, fault, rest),
    };
    let endpoints = match &pass.view.facts.endpoints {
        None => return pass.desk.read(Read::Endpoints { id }),
        Some(Ok(endpoints)) => endpoints.clone().unwrap_or_default(),
        Some(Err(fault)) => return given_up(pass, fault, rest),
    };
    count(pass, &versions, &endpoints, rest)
}

fn said_already(pass: &Pass<'_>) -> bool {
    let object = pass.view.object;
    object.status.as_ref().is_some_and(|status| {
        status.ready_version == pass.desk.status.ready_version
            && status.observed_generation == object.metadata.generation
            && is_ready(&status.conditions)
            && ready_reason(&status.conditions) == Some(reasons::READY)
    })
}

fn count(
    mut pass: Pass<'_>,
    versions: &[ListedVersion],
    endpoints: &[Endpoint],
    rest: Rest,
) -> Decision {
    let used = u32::try_from(versions.len()).unwrap_or(u32::MAX);
    let before = pass.desk.status.versions.as_ref();
    let near = |used: u32| used.saturating_mul(100) >= VERSIONS_QUOTA * WARN_PERCENT;
    let was_near = before.is_some_and(|versions| near(versions.used));
    if near(used) && !was_near {
        let text = format!(
            "the runtime has {used} of the {VERSIONS_QUOTA} versions that AgentCore takes; lower spec.revisionHistoryLimit, or free versions that endpoints or sessions hold"
        );
        pass.desk.event(true, reasons::VERSIONS_NEAR_QUOTA, text);
    }
    let refused = refused(&pass.desk.status).to_vec();
    let next = candidate(pass.view, &pass.desk.status, versions, endpoints);
    let checked = match next {
        // Nobody has looked at what is left.
        Some(_) => String::new(),
        None => pass.desk.status.ready_version.clone().unwrap_or_default(),
    };
    pass.desk.status.versions = Some(VersionsStatus {
        used,
        checked,
        refused,
    });
    let Some(version) = next else {
        return pass.desk.rest(rest);
    };
    let id = pass.desk.status.id.clone().unwrap_or_default();
    let client_token = pass.token(DELETE_VERSION, &id, &version, "");
    pass.act(Action::DeleteVersion {
        id,
        version,
        client_token,
    })
}

/// Versions that were refused since the newest one was made.
fn refused(status: &AgentRuntimeStatus) -> &[String] {
    let newest = status.ready_version.as_ref();
    let versions = status.versions.as_ref();
    versions
        .filter(|versions| versions.checked.is_empty() || Some(&versions.checked) == newest)
        .map_or(&[], |versions| &versions.refused)
}

/// The oldest version that may go, and was not refused.
fn candidate(
    view: &View<'_>,
    status: &AgentRuntimeStatus,
    versions: &[ListedVersion],
    endpoints: &[Endpoint],
) -> Option<String> {
    let used: BTreeSet<u32> = endpoints
        .iter()
        .flat_map(|endpoint| [&endpoint.live_version, &endpoint.target_version])
        .flatten()
        .chain(view.used_versions)
        .chain(&status.latest_version)
        .chain(&status.ready_version)
        .chain(refused(status))
        .map(|version| number(version))
        .collect();
    let mut there: Vec<&ListedVersion> = versions
        .iter()
        .filter(|one| !matches!(one.status, ServiceStatus::Deleting))
        .collect();
    there.sort_by_key(|one| std::cmp::Reverse(number(&one.version)));
    // The first is the newest; a status without a readable newest version keeps everything.
    let newest = status.ready_version.as_deref().map_or(0, number);
    let places = usize::try_from(limit(view.object)).unwrap_or(usize::MAX);
    let older = there.iter().skip(1).enumerate();
    older
        .filter(|(place, one)| {
            let failed = matches!(
                one.status,
                ServiceStatus::CreateFailed | ServiceStatus::UpdateFailed
            );
            *place >= places || failed
        })
        .map(|(_, one)| number(&one.version))
        .rfind(|number| *number > 0 && *number < newest && !used.contains(number))
        .map(|number| number.to_string())
}

/// The list, or a deletion, was refused: that is nothing to lose Ready for. The next round of the sweep tries again.
fn given_up(mut pass: Pass<'_>, fault: &Fault, rest: Rest) -> Decision {
    if matches!(fault.class, Class::Throttled | Class::Transient) {
        let rest = pass.desk.backoff();
        return pass.desk.rest(rest);
    }
    let text = format!(
        "old versions are not deleted: {}; it is tried again by itself",
        said(fault)
    );
    pass.desk.event(true, reasons::PRUNE_FAILED, text);
    let checked = pass.desk.status.ready_version.clone().unwrap_or_default();
    let refused = refused(&pass.desk.status).to_vec();
    let versions = pass.desk.status.versions.as_ref();
    pass.desk.status.versions = Some(VersionsStatus {
        used: versions.map_or(0, |versions| versions.used),
        checked,
        refused,
    });
    pass.desk.rest(rest)
}

/// A version was not deleted: the others go all the same. `fault`: unless it is only that the list still shows what is gone.
fn set_aside(mut pass: Pass<'_>, fault: Option<&Fault>) -> Decision {
    let facts = &pass.view.facts;
    let (Some(Ok(Some(versions))), Some(Ok(Some(endpoints)))) = (&facts.versions, &facts.endpoints)
    else {
        return pass.desk.rest(Rest::After(PAUSE));
    };
    let version = candidate(pass.view, &pass.desk.status, versions, endpoints);
    if let (Some(fault), Some(version)) = (fault, &version) {
        let text = format!(
            "version {version} is not deleted: {}; it is tried again once there is a newer version",
            said(fault)
        );
        pass.desk.event(true, reasons::PRUNE_FAILED, text);
    }
    if let Some(known) = &mut pass.desk.status.versions {
        known.refused.extend(version);
    }
    pass.desk.rest(Rest::After(PAUSE))
}

/// The verdict after a deletion.
pub(super) fn outcome(pass: Pass<'_>, outcome: &Outcome) -> Decision {
    match outcome {
        Outcome::Failed(fault) if matches!(fault.class, Class::Throttled | Class::Transient) => {
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        Outcome::Failed(fault) if fault.class == Class::Gone => set_aside(pass, None),
        Outcome::Failed(fault) => set_aside(pass, Some(fault)),
        Outcome::Done | Outcome::Accepted(_) => pass.desk.rest(Rest::After(PAUSE)),
    }
}
