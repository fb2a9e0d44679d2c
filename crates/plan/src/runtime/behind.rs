//! What an object leaves in AWS when it goes.

use jiff::Timestamp;

use super::View;
use super::pass::Pass;
use crate::tags::Ownership;

/// The runtime that lives on, and counts against its namespace, once the finalizer of a deleted object is gone: its id and ARN.
pub fn left_behind(view: &View<'_>) -> Option<(String, String)> {
    let status = view.object.status.as_ref()?;
    let (id, arn) = (status.id.clone()?, status.arn.clone()?);
    let pass = Pass::new(view, Timestamp::UNIX_EPOCH);
    let tags = pass.tags_of(&arn);
    let gone = status.deletion_accepted_at.is_some()
        || matches!(tags, Some(Ok(None)))
        || matches!(view.facts.runtime, Some(Ok(None)));
    let taken = matches!(tags, Some(Ok(Some(tags)))
        if pass.owner().judge(tags, view.policy) == Ownership::Others);
    (!gone && !taken).then_some((id, arn))
}
