//! The limit of sessions of a namespace.

use std::time::Duration;

use agentcore_api::reasons;

use super::pass::Pass;
use crate::conditions::Verdict;
use crate::runtime::{Refusal, over_limit};

/// Pause before the limit is looked at again.
pub(super) const PAUSE: Duration = Duration::from_mins(1);

/// Why the object's first session may not begin: the namespace holds as many as it may, or nobody knows yet. One that has begun goes on.
pub(super) fn too_many(pass: &Pass<'_>) -> Option<Verdict> {
    if pass.status.session_id.is_some() || pass.status.next.is_some() {
        return None;
    }
    let view = pass.view;
    if !view.granted.known {
        let text = "AgentGrants have not been listed yet; nothing is begun until they are";
        return Some(Verdict::working(reasons::GRANTS_UNKNOWN, text));
    }
    let most = view.granted.limits.sessions;
    let Refusal { reason, message } = over_limit(most, view.older_in_namespace, "AgentSessions")?;
    Some(Verdict::stalled(reason, message))
}
