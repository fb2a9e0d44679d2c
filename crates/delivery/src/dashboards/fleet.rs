//! The fleet and its sessions: which agents serve, what needs somebody, what rolls, and how their callers fare.

use super::model::{Dashboard, Panel, Row, Variable, lines, quantile, rate, stat, table};

/// Objects that the reader chose.
const CHOSEN: &str = r#"namespace=~"$namespace", name=~"$name""#;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "agentcore-fleet",
        title: "AgentCore / Fleet and sessions",
        description: "Agents, their versions, images and sessions, and how callers fare that come through the gateway.",
        variables: vec![
            Variable {
                name: "namespace",
                label: "Namespace",
                values: ("agentcore_condition", "namespace"),
                all: ".+",
            },
            Variable {
                name: "name",
                label: "Object",
                values: (r#"agentcore_condition{namespace=~"$namespace"}"#, "name"),
                all: ".+",
            },
        ],
        rows: vec![
            Row {
                title: "Now",
                panels: now(),
            },
            Row {
                title: "What needs somebody",
                panels: trouble(),
            },
            Row {
                title: "Versions and images",
                panels: versions(),
            },
            Row {
                title: "Sessions",
                panels: sessions(),
            },
            Row {
                title: "Calls through the gateway",
                panels: calls(),
            },
        ],
    }
}

/// Objects for which this holds.
fn count(series: &str, labels: &str) -> String {
    format!("count(max by (kind, namespace, name) ({series}{{{labels}{CHOSEN}}}) == 1)")
}

fn now() -> Vec<Panel> {
    let of = |kind: &str| {
        format!(
            r#"count(count by (namespace, name) (agentcore_condition{{kind="{kind}", type="Ready", {CHOSEN}}}))"#
        )
    };
    vec![
        stat("AgentRuntimes", "AgentRuntimes that there are.").query(of("AgentRuntime"), ""),
        stat("AgentEndpoints", "AgentEndpoints that there are.").query(of("AgentEndpoint"), ""),
        stat("AgentSessions", "Declared sessions that there are.").query(of("AgentSession"), ""),
        stat(
            "Not serving",
            "AgentRuntimes (their DEFAULT) and AgentEndpoints behind which no version serves: calls to them fail.",
        )
        .query(
            format!(
                "count(max by (kind, namespace, name) (agentcore_available{{{CHOSEN}}}) == 0)"
            ),
            "",
        )
        .warns(1.0, 1.0),
        stat(
            "Stalled",
            "Objects that do not get where their manifest wants them without a change, there or elsewhere.",
        )
        .query(
            count(
                "agentcore_condition",
                r#"type="Stalled", status="True", "#,
            ),
            "",
        )
        .warns(1.0, 5.0),
        stat(
            "Rejected images",
            "AgentRuntimes that follow an image which was refused, or which AgentCore failed: the one before serves.",
        )
        .query(
            format!(
                "count(max by (namespace, name) (agentcore_image_rejected{{{CHOSEN}}}) == 1)"
            ),
            "",
        )
        .warns(1.0, 5.0),
    ]
}

fn trouble() -> Vec<Panel> {
    vec![
        table(
            "Not serving",
            "Objects behind which no version serves. kubectl describe says why.",
        )
        .query(
            format!("max by (kind, namespace, name) (agentcore_available{{{CHOSEN}}}) == 0"),
            "",
        ),
        table(
            "Conditions that are not as they should be",
            "Ready and ImageResolved that are False, and Stalled that is True.",
        )
        .query(
            format!(
                r#"max by (kind, namespace, name, type, status) (agentcore_condition{{type=~"Ready|ImageResolved", status="False", {CHOSEN}}} or agentcore_condition{{type="Stalled", status="True", {CHOSEN}}}) == 1"#
            ),
            "",
        ),
        lines(
            "Conditions that change",
            "Changes of conditions: rolls go through Reconciling, failures into Stalled.",
        )
        .query(
            rate("kind, type, status", "agentcore_condition_transitions_total"),
            "{{kind}} {{type}} {{status}}",
        )
        .unit("cps"),
        lines(
            "Share of quotas that is used",
            "Versions and endpoints of each runtime, of what AgentCore takes. At 100 % there is no further one.",
        )
        .query(
            format!(
                "max by (namespace, name) (agentcore_versions_used{{{CHOSEN}}}) / on () group_left () max(agentcore_versions_quota)"
            ),
            "{{namespace}}/{{name}} versions",
        )
        .query(
            format!(
                "max by (namespace, name) (agentcore_endpoints_used{{{CHOSEN}}}) / on () group_left () max(agentcore_endpoints_quota)"
            ),
            "{{namespace}}/{{name}} endpoints",
        )
        .unit("percentunit")
        .warns(0.8, 1.0),
    ]
}

fn versions() -> Vec<Panel> {
    let version = |role: &str| {
        format!(
            r#"max by (namespace, runtime, endpoint) (agentcore_endpoint_version{{namespace=~"$namespace", role="{role}"}})"#
        )
    };
    vec![
        table(
            "Versions",
            "The version that each endpoint serves, and the one that it moves to or is on. They differ while a roll is under way.",
        )
        .query(version("live"), "live")
        .query(version("target"), "target"),
        table(
            "Runtimes",
            "Each AgentRuntime with its phase, its region and its id in AgentCore.",
        )
        .query(
            format!(
                "max by (namespace, name, phase, region, runtime_id) (agentcore_runtime_info{{{CHOSEN}}})"
            ),
            "",
        ),
        lines(
            "Looks at image repositories",
            "Results of looks. Anything but success means that pushes may not be seen.",
        )
        .query(rate("result", "agentcore_image_scan_total"), "{{result}}")
        .unit("cps")
        .stacked(),
        lines(
            "Age of the last good look, in intervals",
            "Beyond 3 intervals pushes to the repository are not seen.",
        )
        .query(
            "max by (repository) (agentcore_image_scan_age_seconds) / on (repository) max by (repository) (agentcore_image_scan_interval_seconds)",
            "{{repository}}",
        )
        .warns(2.0, 3.0),
    ]
}

fn sessions() -> Vec<Panel> {
    let known = |state: &str| {
        format!(
            r#"sum(max by (kind, namespace, name) (agentcore_sessions{{state="{state}", {CHOSEN}}}))"#
        )
    };
    vec![
        stat(
            "Current sessions",
            "Sessions that run the version that serves.",
        )
        .query(known("current"), "")
        .width(6),
        stat(
            "Stale sessions",
            "Sessions that run another version; they are drained as spec.sessions says.",
        )
        .query(known("stale"), "")
        .width(6),
        stat(
            "Stops that AgentCore refuses",
            "Stale sessions whose stop AgentCore refused; it is tried again.",
        )
        .query(known("failed"), "")
        .width(6)
        .warns(1.0, 5.0),
        stat(
            "Objects with overdue sessions",
            "Their drain deadline has come, and stale sessions are still there.",
        )
        .query(count("agentcore_sessions_overdue", ""), "")
        .width(6)
        .warns(1.0, 1.0),
        lines(
            "Sessions by state",
            "All sessions that the gateway knows. AgentCore lists none: those of callers that go to AWS themselves are not in it.",
        )
        .query(
            format!(
                r#"sum by (state) (max by (kind, namespace, name, state) (agentcore_sessions{{state=~"current|stale", {CHOSEN}}}))"#
            ),
            "{{state}}",
        )
        .stacked(),
        lines(
            "For how long the oldest stale session is stale",
            "It should fall to nothing at the drain deadline after each roll.",
        )
        .query(
            format!(
                "max by (kind, namespace, name) (agentcore_session_oldest_stale_seconds{{{CHOSEN}}})"
            ),
            "{{kind}} {{namespace}}/{{name}}",
        )
        .unit("s"),
        lines(
            "Stops of stale sessions",
            "Why they were stopped, and what became of it: refused ones are tried again.",
        )
        .query(
            rate(
                "reason, result",
                &format!("agentcore_sessions_stopped_total{{{CHOSEN}}}"),
            ),
            "{{reason}}: {{result}}",
        )
        .unit("cps")
        .stacked(),
        lines(
            "Objects with overdue sessions",
            "Objects whose stale sessions outlive their deadline.",
        )
        .query(
            format!(
                "max by (kind, namespace, name) (agentcore_sessions_overdue{{{CHOSEN}}})"
            ),
            "{{kind}} {{namespace}}/{{name}}",
        )
        .unit("bool"),
    ]
}

fn calls() -> Vec<Panel> {
    let requests = format!("agentcore_gateway_requests_total{{{CHOSEN}}}");
    let first = format!(
        r#"agentcore_gateway_first_chunk_seconds{{route=~"invocations|chat|mcp", {CHOSEN}}}"#
    );
    let whole = format!(
        r#"agentcore_gateway_request_duration_seconds{{route=~"invocations|chat|mcp", {CHOSEN}}}"#
    );
    let failed = format!(r#"agentcore_gateway_requests_total{{code=~"424|5..", {CHOSEN}}}"#);
    let object = "kind, namespace, name";
    let all = rate(object, &requests);
    vec![
        lines("Calls by agent", "Requests to each agent a second.")
            .query(rate(object, &requests), "{{kind}} {{namespace}}/{{name}}")
            .unit("reqps"),
        lines(
            "Share of calls that fail",
            "Answers 424 and 5xx: the agent, AgentCore or the gateway failed, not the caller.",
        )
        .query(
            // Where nothing ever failed there is no series of failures.
            format!("({} or 0 * {all}) / {all}", rate(object, &failed)),
            "{{kind}} {{namespace}}/{{name}}",
        )
        .unit("percentunit")
        .warns(0.01, 0.05),
        lines(
            "Time to the first chunk, 99 of 100 answers",
            "From a request's head to the first bytes of the agent's answer. A cold start is in it.",
        )
        .query(
            quantile("0.99", object, &first),
            "{{kind}} {{namespace}}/{{name}}",
        )
        .unit("s"),
        lines(
            "Time to the end of the answer, half of the answers",
            "From a request's head to the end of its answer.",
        )
        .query(
            quantile("0.5", object, &whole),
            "{{kind}} {{namespace}}/{{name}}",
        )
        .unit("s"),
    ]
}
