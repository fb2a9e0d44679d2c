//! The operator and the gateway themselves: whether they keep up, and what AWS and the API server say to them.

use super::model::{Dashboard, Panel, Row, Variable, lines, quantile, rate, stat};

/// Objects that the reader chose.
const CHOSEN: &str = r#"namespace=~"$namespace", name=~"$name""#;
/// Operations that the reader chose.
const OPERATIONS: &str = r#"operation=~"$operation""#;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "agentcore-operator",
        title: "AgentCore / Operator and gateway",
        description: "Whether the controller and the gateway keep up, and what AWS and the API server say to them.",
        variables: vec![
            Variable {
                name: "controller",
                label: "Controller",
                values: ("agentcore_reconcile_total", "controller"),
                all: ".+",
            },
            Variable {
                name: "operation",
                label: "AWS operation",
                values: ("agentcore_aws_requests_total", "operation"),
                all: ".+",
            },
            Variable {
                name: "namespace",
                label: "Namespace of the agent",
                values: ("agentcore_gateway_requests_total", "namespace"),
                all: ".*",
            },
            Variable {
                name: "name",
                label: "Agent",
                values: (
                    r#"agentcore_gateway_requests_total{namespace=~"$namespace"}"#,
                    "name",
                ),
                all: ".*",
            },
        ],
        rows: vec![
            Row {
                title: "Now",
                panels: now(),
            },
            Row {
                title: "Controller",
                panels: controller(),
            },
            Row {
                title: "AWS, as the controller calls it",
                panels: aws(),
            },
            Row {
                title: "Gateway",
                panels: gateway(),
            },
            Row {
                title: "Gateway: AgentCore and the API server behind it",
                panels: behind(),
            },
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        stat(
            "Leaders",
            "Replicas of the controller that act. One is right; none means that nothing is reconciled.",
        )
        .query("sum(agentcore_leader)", "")
        .wants(1.0),
        stat(
            "Passes under way",
            "Objects in a pass, those that wait for AWS or a rate limit included.",
        )
        .query("sum(agentcore_queue_depth)", ""),
        stat("Throttled calls", "AWS calls of the controller that were throttled, a second.")
            .query("sum(rate(agentcore_aws_throttles_total[$__rate_interval]))", "")
            .unit("cps")
            .warns(0.01, 1.0),
        stat("Gateway replicas", "Gateways that are scraped.")
            .query("count(agentcore_gateway_active_sessions)", ""),
        stat("Streams", "Answers and WebSockets under way in all gateways.")
            .query("sum(agentcore_gateway_active_streams)", ""),
        stat(
            "Sessions",
            "Sessions that the gateways know and whose lifetime is not over; with a shared ledger each replica knows all.",
        )
        .query("max(agentcore_gateway_active_sessions)", ""),
    ]
}

fn controller() -> Vec<Panel> {
    let passes = r#"agentcore_reconcile_total{controller=~"$controller"}"#;
    let seconds = r#"agentcore_reconcile_duration_seconds{controller=~"$controller"}"#;
    vec![
        lines(
            "Passes",
            "Passes over objects, by their end. Other ends than success are failures in Kubernetes; they are tried again.",
        )
        .query(
            rate("controller, result", passes),
            "{{controller}} {{result}}",
        )
        .unit("ops"),
        lines(
            "Time of a pass",
            "Waiting for AWS and for the operator's own rate limits is in it.",
        )
        .query(
            quantile("0.99", "controller", seconds),
            "{{controller}} 99 %",
        )
        .query(
            quantile("0.5", "controller", seconds),
            "{{controller}} 50 %",
        )
        .unit("s"),
        lines(
            "Passes under way",
            "A number that only grows says that AWS or its rate limits are slower than changes come.",
        )
        .query(
            r#"sum by (controller) (agentcore_queue_depth{controller=~"$controller"})"#,
            "{{controller}}",
        ),
        lines("Who leads", "1 for the replica that holds the Lease.")
            .query("max by (instance) (agentcore_leader)", "{{instance}}")
            .unit("bool"),
    ]
}

fn aws() -> Vec<Panel> {
    let requests = format!("agentcore_aws_requests_total{{{OPERATIONS}}}");
    let failed = format!(r#"agentcore_aws_requests_total{{code!="OK", {OPERATIONS}}}"#);
    vec![
        lines("Calls", "Calls of the controller, by operation.")
            .query(rate("operation", &requests), "{{operation}}")
            .unit("reqps"),
        lines(
            "Calls that fail",
            "By AWS's name of the error. Dispatch and Timeout: no answer came; Credentials: there are none.",
        )
        .query(
            rate("operation, code", &failed),
            "{{operation}} {{code}}",
        )
        .unit("reqps"),
        lines("Time of a call, 99 of 100", "How long AWS takes to answer.")
            .query(
                quantile(
                    "0.99",
                    "operation",
                    &format!("agentcore_aws_request_duration_seconds{{{OPERATIONS}}}"),
                ),
                "{{operation}}",
            )
            .unit("s"),
        lines(
            "Wait for the operator's own rate limit, 99 of 100",
            "Long waits: more changes than --aws-rate allows. Raise the quota in AWS, then the rate.",
        )
        .query(
            quantile(
                "0.99",
                "operation",
                &format!("agentcore_aws_limiter_wait_seconds{{{OPERATIONS}}}"),
            ),
            "{{operation}}",
        )
        .unit("s"),
        lines("Throttled calls", "Calls that AWS throttled, by operation.")
            .query(
                rate(
                    "operation",
                    &format!("agentcore_aws_throttles_total{{{OPERATIONS}}}"),
                ),
                "{{operation}}",
            )
            .unit("cps")
            .width(24),
    ]
}

fn gateway() -> Vec<Panel> {
    let requests = format!("agentcore_gateway_requests_total{{{CHOSEN}}}");
    let errors = format!("agentcore_gateway_errors_total{{{CHOSEN}}}");
    let seconds = |name: &str| {
        format!(r#"agentcore_gateway_{name}_seconds{{route=~"invocations|chat|mcp", {CHOSEN}}}"#)
    };
    vec![
        lines("Requests", "By route and HTTP status.")
            .query(rate("route, code", &requests), "{{route}} {{code}}")
            .unit("reqps"),
        lines(
            "Errors",
            "By reason; docs/gateway.md says what each means. Those of callers, such as Forbidden, are in it.",
        )
        .query(rate("reason", &errors), "{{reason}}")
        .unit("reqps"),
        lines(
            "Time to the first chunk",
            "From a request's head to the first bytes of the agent's answer.",
        )
        .query(
            quantile("0.99", "route", &seconds("first_chunk")),
            "{{route}} 99 %",
        )
        .query(
            quantile("0.5", "route", &seconds("first_chunk")),
            "{{route}} 50 %",
        )
        .unit("s"),
        lines("Time of a request", "To the end of its answer; without WebSockets.")
            .query(
                quantile("0.99", "route", &seconds("request_duration")),
                "{{route}} 99 %",
            )
            .query(
                quantile("0.5", "route", &seconds("request_duration")),
                "{{route}} 50 %",
            )
            .unit("s"),
        lines("Under way", "Answers and WebSockets under way, by route.")
            .query(
                "sum by (route) (agentcore_gateway_active_streams)",
                "{{route}}",
            )
            .stacked(),
        lines(
            "Sessions by replica",
            "Sessions that each gateway knows; the same everywhere with a shared ledger.",
        )
        .query(
            "max by (instance) (agentcore_gateway_active_sessions)",
            "{{instance}}",
        ),
    ]
}

fn behind() -> Vec<Panel> {
    vec![
        lines(
            "Connections to AgentCore",
            "Open connections, and WebSockets that chat keeps for further turns (1,000 at most).",
        )
        .query(
            "sum by (instance) (agentcore_gateway_upstream_connections)",
            "{{instance}} connections",
        )
        .query(
            "sum by (instance) (agentcore_gateway_pooled_web_sockets)",
            "{{instance}} WebSockets",
        ),
        lines(
            "Requests that were sent again",
            "AgentCore throttled or failed, and the gateway tried once more.",
        )
        .query(
            "sum(rate(agentcore_gateway_upstream_retries_total[$__rate_interval]))",
            "again",
        )
        .unit("reqps"),
        lines(
            "Time of a review, 99 of 100",
            "How long the API server takes to say who calls and whether they may.",
        )
        .query(
            quantile(
                "0.99",
                "review, result",
                "agentcore_gateway_review_duration_seconds",
            ),
            "{{review}} {{result}}",
        )
        .unit("s"),
        lines(
            "Reviews that were remembered",
            "Share of questions about callers that needed no call of the API server.",
        )
        .query(
            format!(
                r#"sum by (review) (rate(agentcore_gateway_review_lookups_total{{result="hit"}}[$__rate_interval])) / {}"#,
                rate("review", "agentcore_gateway_review_lookups_total")
            ),
            "{{review}}",
        )
        .unit("percentunit"),
    ]
}
