//! No identity yet: is the name free, is it ours from an earlier life, or somebody else's?

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::adopt::Licence;
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
        Listed::Unknown if needs_list(&pass) => pass.desk.read(Read::List),
        Listed::Absent { .. } | Listed::Unknown | Listed::Present { .. } => unnamed(pass, wish),
    }
}

/// Whether nothing may be made before a list was seen. After a conflict the name is somebody's, and who that is decides; after a taking over it
/// is ours. And where nothing is known of an earlier create, the status may be lost: a runtime under a name that earlier releases gave
/// would not stand in the way of a second one.
fn needs_list(pass: &Pass<'_>) -> bool {
    let reasons = [reasons::CONFLICT, reasons::ADOPTED, reasons::NAME_TAKEN];
    let unknown = pass.view.object.spec.runtime_name.is_none() && pass.desk.status.name.is_none();
    unknown || reasons.iter().any(|reason| pass.desk.reason_is(reason))
}

/// The list has no runtime of our name: is there one under a name that we would have had before?
fn unnamed(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    let view = pass.view;
    let before = view.facts.listed_under_former_names.iter();
    for entry in before.filter(|entry| entry.status != ServiceStatus::Deleting) {
        match pass.tags_of(&entry.arn) {
            None => {
                return pass.desk.read(Read::Tags {
                    arn: entry.arn.clone(),
                });
            }
            Some(Err(fault)) => return pass.desk.fault(fault, false),
            Some(Ok(None)) => {}
            Some(Ok(Some(tags))) => match pass.judge(tags) {
                Ownership::Ours => {
                    pass.take_listed(entry);
                    return live::plan(pass, wish);
                }
                Ownership::Former => return take_over(pass, &entry.id, &entry.arn, None),
                Ownership::Others | Ownership::Nobody => {}
            },
        }
    }
    create(pass, wish)
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
    match pass.tags_of(&entry.arn) {
        None => pass.desk.read(Read::Tags {
            arn: entry.arn.clone(),
        }),
        Some(Err(fault)) => pass.desk.fault(fault, false),
        Some(Ok(None)) => create(pass, wish),
        Some(Ok(Some(tags))) => match pass.judge(tags) {
            Ownership::Ours => {
                pass.take_listed(entry);
                live::plan(pass, wish)
            }
            Ownership::Former => take_over(pass, &entry.id, &entry.arn, None),
            Ownership::Others | Ownership::Nobody => name_taken(pass, entry),
        },
    }
}

/// Rewrites the ownership tags. The next look finds them ours. `licence`: for those that say otherwise.
pub(super) fn take_over(
    mut pass: Pass<'_>,
    id: &str,
    arn: &str,
    licence: Option<Licence>,
) -> Decision {
    pass.desk
        .event(false, reasons::ADOPTED, format!("took over runtime {id}"));
    pass.desk.verdict(Verdict::working(
        reasons::ADOPTED,
        format!("taking over runtime {id}"),
    ));
    // A deletion before the next look sees that there is something to look for.
    pass.desk.status.attempt.get_or_insert(0);
    let tags = pass.owner().tags();
    match licence {
        Some(licence) => pass.adopt(arn, tags, licence),
        None => pass.tag(arn, tags),
    }
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
