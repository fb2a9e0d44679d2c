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
use crate::tags::{Ownership, TagDiff};

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
    match &view.facts.tags {
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

fn judged(
    mut pass: Pass<'_>,
    wish: &Wish,
    adoption: &Adopt,
    there: &Runtime,
    tags: &Tags,
) -> Decision {
    match pass.owner().judge(tags) {
        Ownership::Ours => {
            pass.take_identity(&there.id, &there.arn, &there.name);
            return live::answered(pass, wish, &Ok(Some(there.clone())));
        }
        Ownership::Others if adoption.take_over != Some(true) => {
            let text = format!(
                "runtime {} carries the tags of another owner; adopt.takeOver: true takes it from there",
                there.id
            );
            return stalled(pass, reasons::ADOPTION_REFUSED, text);
        }
        Ownership::Former | Ownership::Others | Ownership::Nobody => {}
    }
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
    take_over(pass, &there.id, &there.arn)
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
