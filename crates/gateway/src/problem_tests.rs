//! Errors of AWS that are told apart by what AWS says.

use super::*;

fn problem(message: &str) -> Problem {
    Problem::from(&ServiceError {
        name: "ValidationException".to_owned(),
        message: message.to_owned(),
        status: StatusCode::BAD_REQUEST,
        request_id: None,
        retry_after: None,
        challenge: None,
    })
}

#[test]
fn a_runtime_without_mmdsv2_is_not_the_callers_fault() {
    let told = problem(
        "This runtime is not MMDSv2-enabled and can no longer be invoked. Enable MMDSv2 by calling UpdateAgentRuntime with \
         requireMMDSV2=True in metadataConfiguration.",
    );
    assert_eq!(
        (told.status, told.reason, told.retry_after),
        (StatusCode::FAILED_DEPENDENCY, "AgentNotInvocable", None)
    );
    let other = problem("payload is no JSON");
    assert_eq!(
        (other.status, other.reason),
        (StatusCode::BAD_REQUEST, "InvalidRequest")
    );
}
