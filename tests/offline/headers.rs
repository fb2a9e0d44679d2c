//! Request headers that AgentCore passes on for nobody: the simulator shares no code with the operator, so each has a list of them.

use agentcore_api::limits;
use agentcore_sim::data;

#[test]
fn the_simulator_and_the_operator_refuse_the_same_headers() {
    assert_eq!(data::RESTRICTED_HEADERS, limits::RESTRICTED_HEADERS);
    for name in limits::RESTRICTED_HEADERS {
        assert_eq!(
            *name,
            name.to_ascii_lowercase(),
            "both compare in lower case"
        );
    }
}
