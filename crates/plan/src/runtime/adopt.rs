//! Taking over a runtime that exists. Until it is ours, nothing but its ownership tags is written.

use agentcore_api::names::tags;
use agentcore_api::reasons;
use agentcore_api::runtime::Adopt;

use super::create::take_over;
use super::pass::{Pass, TAG};
use super::wish::Wish;
use super::{Decision, Read, live};
use crate::aws::{Runtime, Tags};
use crate::conditions::Verdict;
use crate::desk::SLOW;
use crate::step::Rest;
use crate::tags::{Owner, Ownership, TagDiff};

pub(super) fn plan(pass: Pass<'_>, wish: &Wish, adoption: &Adopt) -> Decision {
    let view = pass.view;
    let there = match &view.facts.runtime {
        None => {
            return pass.desk.read(Read::Runtime {
                id: adoption.runtime_id.clone(),
            });
        }
        Some(Err(fault)) => return pass.desk.fault(fault, false),
        Some(Ok(None)) => {
            let text = format!(
                "there is no runtime {} in this account and region",
                adoption.runtime_id
            );
            return stalled(pass, reasons::ADOPTION_REFUSED, text);
        }
        Some(Ok(Some(there))) => there,
    };
    if let Some(name) = view
        .object
        .spec
        .runtime_name
        .as_ref()
        .filter(|name| **name != there.name)
    {
        let text = format!(
            "runtime {} is named {}, and spec.runtimeName says {name}",
            there.id, there.name
        );
        return stalled(pass, reasons::ADOPTION_REFUSED, text);
    }
    match pass.tags_of(&there.arn) {
        None => pass.desk.read(Read::Tags {
            arn: there.arn.clone(),
        }),
        Some(Err(fault)) => pass.desk.fault(fault, false),
        Some(Ok(tags)) => judged(
            pass,
            wish,
            adoption,
            there,
            &tags.clone().unwrap_or_default(),
        ),
    }
}

/// Leave to take a runtime with these very tags: a grant names it, and its owner, if it has one, does not live in this cluster.
pub(super) struct Licence(Tags);

impl Licence {
    /// Whether it was given for a runtime with these tags.
    pub fn is_for(&self, tags: &Tags) -> bool {
        self.0 == *tags
    }
}

fn judged(
    mut pass: Pass<'_>,
    wish: &Wish,
    adoption: &Adopt,
    there: &Runtime,
    tags: &Tags,
) -> Decision {
    let ownership = pass.judge(tags);
    if ownership == Ownership::Ours {
        pass.take_identity(&there.id, &there.arn, &there.name);
        return live::answered(pass, wish, &Ok(Some(there.clone())));
    }
    let licence = match ownership {
        Ownership::Others | Ownership::Nobody => match licence(&pass, adoption, there, tags) {
            Ok(licence) => Some(licence),
            Err(decision) => return *decision,
        },
        Ownership::Ours | Ownership::Former => None,
    };
    let mut fields = wish.differing(&there.config);
    if changes_tags(wish, tags) {
        fields.push("tags");
    }
    if !fields.is_empty() && adoption.apply != Some(true) {
        let text = format!(
            "runtime {} differs in {}; make the spec equal, or set adopt.apply: true to change the runtime",
            there.id,
            fields.join(", ")
        );
        return stalled(pass, reasons::ADOPTION_PENDING, text);
    }
    pass.desk.write_ahead(TAG, &wish.hash, false);
    take_over(pass, &there.id, &there.arn, licence)
}

/// Asks whether a runtime that is not ours may be taken. Consent of the spec comes last: without a grant it is worth nothing.
fn licence(
    pass: &Pass<'_>,
    adoption: &Adopt,
    there: &Runtime,
    tags: &Tags,
) -> Result<Licence, Box<Decision>> {
    let refused = |reason, text| Err(Box::new(stalled(pass.clone(), reason, text)));
    let owner = Owner::named_by(tags);
    if !pass.view.granted.may_adopt(&there.id, owner.as_ref()) {
        let text = match &owner {
            Some(_) => format!(
                "runtime {} carries another owner's tags, and no AgentGrant lets this namespace adopt it from that owner",
                there.id
            ),
            None => format!(
                "no AgentGrant lets this namespace adopt runtime {}",
                there.id
            ),
        };
        return refused(reasons::NOT_GRANTED, text);
    }
    let Some(owner) = owner else {
        return Ok(Licence(tags.clone()));
    };
    if owner.is_of(pass.view.policy) && !pass.is_named(&owner) {
        match &pass.view.facts.owner {
            None => {
                let (namespace, name) = (owner.namespace, owner.name);
                let read = Read::Owner { namespace, name };
                return Err(Box::new(pass.desk.clone().read(read)));
            }
            Some(Err(fault)) => return Err(Box::new(pass.desk.clone().fault(fault, false))),
            Some(Ok(Some(()))) => {
                let text = format!(
                    "runtime {} belongs to an AgentRuntime of this cluster that lives; delete that first, with deletionPolicy Retain",
                    there.id
                );
                return refused(reasons::ADOPTION_REFUSED, text);
            }
            Some(Ok(None)) => {}
        }
    }
    if adoption.take_over != Some(true) {
        let text = format!(
            "runtime {} carries the tags of another owner; adopt.takeOver: true takes it from there",
            there.id
        );
        return refused(reasons::ADOPTION_REFUSED, text);
    }
    Ok(Licence(tags.clone()))
}

/// Whether a tag that is there would be changed or removed; those of ownership are what adopting is.
fn changes_tags(wish: &Wish, there: &Tags) -> bool {
    let diff = TagDiff::between(there, &wish.tags);
    diff.keys()
        .into_iter()
        .any(|key| there.contains_key(key) && !key.starts_with(tags::PREFIX))
}

fn stalled(mut pass: Pass<'_>, reason: &'static str, text: String) -> Decision {
    pass.desk
        .event_once(reason == reasons::ADOPTION_REFUSED, reason, &text);
    pass.desk.verdict(Verdict::stalled(reason, text));
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
