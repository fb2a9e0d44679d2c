//! No identity yet: is the name free, is it ours from an earlier life, or somebody else's?

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::pass::Pass;
use super::wish::Wish;
use super::{Decision, Listed, Read, live};
use crate::aws::{ListedRuntime, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::SLOW;
use crate::step::Rest;
use crate::tags::Ownership;

pub(super) fn plan(pass: Pass<'_>, wish: &Wish) -> Decision {
    if pass.desk.held(&wish.hash) {
        return pass.desk.rest_held();
    }
    let view = pass.view;
    if let Some(fault) = &view.facts.list_fault {
        return pass.desk.fault(fault, false);
    }
    match &view.facts.listed {
        Listed::Present { entry, .. } if entry.name == wish.name => named(pass, wish, entry),
        // After a conflict the name is somebody's, and who that is decides; after a taking over it is ours.
        Listed::Unknown
            if pass.desk.reason_is(reasons::CONFLICT)
                || pass.desk.reason_is(reasons::ADOPTED)
                || pass.desk.reason_is(reasons::NAME_TAKEN) =>
        {
            pass.desk.read(Read::List)
        }
        Listed::Absent { .. } | Listed::Unknown | Listed::Present { .. } => create(pass, wish),
    }
}

fn create(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    pass.desk.status.phase = Some(Phase::Creating);
    pass.desk.verdict(Verdict::working(
        reasons::CREATING,
        "about to be made in AgentCore",
    ));
    pass.create(wish)
}

/// The list shows a runtime of our name.
fn named(mut pass: Pass<'_>, wish: &Wish, entry: &ListedRuntime) -> Decision {
    if entry.status == ServiceStatus::Deleting {
        let text = format!(
            "an earlier runtime named {} is still being deleted",
            entry.name
        );
        pass.desk.verdict(Verdict::working(reasons::CONFLICT, text));
        return pass.desk.rest(Rest::Transition {
            since: entry.last_updated_at,
        });
    }
    match &pass.view.facts.tags {
        None => pass.desk.read(Read::Tags {
            arn: entry.arn.clone(),
        }),
        Some(Err(fault)) => pass.desk.fault(fault, false),
        Some(Ok(None)) => create(pass, wish),
        Some(Ok(Some(tags))) => match pass.owner().judge(tags) {
            Ownership::Ours => {
                pass.take_listed(entry);
                live::plan(pass, wish)
            }
            Ownership::Former => take_over(pass, &entry.id, &entry.arn),
            Ownership::Others | Ownership::Nobody => name_taken(pass, entry),
        },
    }
}

/// Rewrites the ownership tags. The next look finds them ours.
pub(super) fn take_over(mut pass: Pass<'_>, id: &str, arn: &str) -> Decision {
    pass.desk
        .event(false, reasons::ADOPTED, format!("took over runtime {id}"));
    pass.desk.verdict(Verdict::working(
        reasons::ADOPTED,
        format!("taking over runtime {id}"),
    ));
    // A deletion before the next look sees that there is something to look for.
    pass.desk.status.attempt.get_or_insert(0);
    let tags = pass.owner().tags();
    pass.tag(arn, tags)
}

fn name_taken(mut pass: Pass<'_>, entry: &ListedRuntime) -> Decision {
    let text = format!(
        "a runtime named {} exists ({}) and does not carry this object's tags; choose another spec.runtimeName, or adopt it",
        entry.name, entry.id
    );
    pass.desk.event_once(true, reasons::NAME_TAKEN, &text);
    pass.desk.status.pending = None;
    pass.desk
        .verdict(Verdict::stalled(reasons::NAME_TAKEN, text));
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
