//! The policies below docs/iam/ against what the programs call.
//!
//! What the programs call is read from their sources here. The rigs of the operator's tests check the same against the calls that arrive at
//! the simulator: `tests/fixtures/guard.rs`.

#[path = "../../../../tests/fixtures/policies.rs"]
mod policies;

use std::collections::{BTreeMap, BTreeSet};

use policies::{PROGRAMS, Policy, action, one_or_many};
use regex::Regex;
use serde_json::Value;

use super::support::{root, rust_sources};

/// What a reader has to fill in.
const PLACEHOLDERS: [&str; 15] = [
    "ACCOUNT",
    "ADOPTED",
    "CLUSTER_ID",
    "CLUSTER_UID",
    "CODE_BUCKET",
    "EKS_CLUSTER",
    "MODEL",
    "OIDC_PROVIDER",
    "REGION",
    "REPOSITORIES",
    "REPOSITORY",
    "RUNTIMES",
    "RUNTIME_NAME",
    "RUNTIME_PREFIX",
    "SERVICE_ACCOUNT",
];

/// Actions that AWS knows no resource for.
const WITHOUT_RESOURCE: [&str; 7] = [
    "bedrock-agentcore:ListAgentRuntimes",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// The documents below docs/iam/ that are policies, by name.
fn documents() -> BTreeMap<String, (String, Value)> {
    let entries = std::fs::read_dir(root().join("docs/iam")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let policies = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
            && !path.ends_with("dependent-actions.json")
    });
    policies
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let document = serde_json::from_str(&text).unwrap();
            (name, (text, document))
        })
        .collect()
}

fn statements(document: &Value) -> &Vec<Value> {
    document["Statement"].as_array().unwrap()
}

fn statement<'a>(document: &'a Value, action: &str) -> &'a Value {
    let mut found = statements(document)
        .iter()
        .filter(|one| one_or_many(&one["Action"]).iter().any(|own| own == action));
    let only = found.next().unwrap();
    assert!(found.next().is_none(), "{action} in two statements");
    only
}

/// Actions that AWS asks for although no program of ours calls them, with why.
fn dependent(program: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("docs/iam/dependent-actions.json")).unwrap();
    let lists: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&text).unwrap();
    lists[program].clone()
}

fn camel_case(name: &str) -> String {
    let words = name.split('_');
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words.map(word).collect()
}

/// The sources below a folder without white space, those of tests apart.
fn dense(folder: &str) -> String {
    let texts = rust_sources(&root().join(folder));
    let production = texts
        .into_iter()
        .filter(|(path, _)| !path.to_string_lossy().ends_with("tests.rs"));
    production.map(|(_, text)| without_space(&text)).collect()
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Operations that `crates/aws/src` asks of the SDK, by fluent calls and by the inputs that it builds.
fn sdk_calls() -> BTreeSet<String> {
    let source = dense("crates/aws/src");
    let fluent = Regex::new(r"\.(?:client|sts|ecr|s3)\.([a-z_0-9]+)\(\)").unwrap();
    let built = Regex::new(r"::operation::([a-z_0-9]+)::").unwrap();
    [fluent, built]
        .iter()
        .flat_map(|calls| calls.captures_iter(&source))
        .filter(|call| &call[1] != "clone")
        .map(|call| camel_case(&call[1]))
        .collect()
}

/// Operations that the controller has a rate and a metric for: all that it calls.
fn metered() -> BTreeSet<String> {
    let path = root().join("crates/aws/src/operation.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let list = source.split("operations! {").nth(1).unwrap();
    let list = list.split('}').next().unwrap();
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Operations of the data plane that the client can ask for, by the paths that it builds.
fn data_plane_calls() -> BTreeSet<String> {
    let source = dense("crates/invoke/src");
    let path = Regex::new(r#"\.uri\([a-z.]+,"([^"]+)"\)"#).unwrap();
    path.captures_iter(&source)
        .map(|call| match &call[1] {
            "invocations" => "InvokeAgentRuntime",
            "invocations/.well-known/agent-card.json" => "GetAgentCard",
            "stopruntimesession" => "StopRuntimeSession",
            "ws" => "InvokeAgentRuntimeWithWebSocketStream",
            other => panic!("which operation has the path {other}?"),
        })
        .map(str::to_owned)
        .collect()
}

/// Operations that the plugin asks of AWS's SDK, by fluent calls and by the types that it names.
fn plugin_sdk_calls() -> BTreeSet<String> {
    let source = dense("crates/cli/src");
    let fluent = Regex::new(r"client\.([a-z_0-9]+)\(\)").unwrap();
    let named = Regex::new(r"operation::([a-z_0-9]+)::").unwrap();
    [fluent, named]
        .iter()
        .flat_map(|calls| calls.captures_iter(&source))
        .map(|call| call[1].to_owned())
        .filter(|call| call != "clone") // of clients of Kubernetes
        .map(|call| camel_case(&call))
        .collect()
}

/// Operations of the data plane that `--direct` asks for.
fn direct_calls() -> BTreeSet<String> {
    let path = root().join("crates/cli/src/agents/direct.rs");
    let source = without_space(&std::fs::read_to_string(path).unwrap());
    let call = Regex::new(r"self\.client\.([a-z_0-9]+)\(").unwrap();
    call.captures_iter(&source)
        .map(|call| match &call[1] {
            "agent_card" => "GetAgentCard",
            "invoke" => "InvokeAgentRuntime",
            "stop" => "StopRuntimeSession",
            "web_socket" => "InvokeAgentRuntimeWithWebSocketStream",
            other => panic!("which operation is {other}?"),
        })
        .map(str::to_owned)
        .collect()
}

fn called_by(program: &str) -> BTreeSet<String> {
    match program {
        "controller" => metered(),
        "gateway" => data_plane_calls(),
        other => panic!("what does {other} call?"),
    }
}

#[test]
fn every_call_in_the_sources_is_allowed_and_every_allowed_action_is_called_or_explained() {
    for program in PROGRAMS {
        let policy = Policy::read(root(), program);
        let needed: BTreeSet<String> = called_by(program)
            .iter()
            .filter_map(|operation| action(operation))
            .collect();
        assert!(needed.len() >= 4, "{program}: only {needed:?}");
        for action in &needed {
            assert!(policy.allows(action), "{program}.json lacks {action}");
        }
        let dependent = dependent(program);
        for action in policy.allowed() {
            let (called, explained) = (needed.contains(action), dependent.get(action));
            assert!(
                called != explained.is_some(),
                "{program}.json: {action}: called: {called}, explained: {explained:?}"
            );
        }
        for (action, why) in &dependent {
            assert!(policy.allows(action), "{program}.json lacks {action}");
            assert!(why.len() > 20, "{action}: why?");
        }
    }
}

#[test]
fn nothing_goes_to_aws_but_what_has_a_rate_and_a_metric() {
    let metered = metered();
    let calls = sdk_calls();
    assert!(calls.len() > 20, "only {calls:?}");
    let unmetered: Vec<_> = calls.difference(&metered).collect();
    assert!(unmetered.is_empty(), "not in Operation: {unmetered:?}");
    let uncalled: Vec<_> = metered.difference(&calls).map(String::as_str).collect();
    assert_eq!(uncalled, ["InvokeAgentRuntime", "StopRuntimeSession"]);
    assert!(
        uncalled
            .iter()
            .all(|call| data_plane_calls().contains(*call))
    );
}

#[test]
fn what_the_plugin_calls_is_allowed_to_those_who_use_it_and_nothing_else() {
    let (sdk, direct) = (plugin_sdk_calls(), direct_calls());
    assert!(!sdk.is_empty(), "logs calls CloudWatch");
    for call in ["InvokeAgentRuntime", "StopRuntimeSession"] {
        assert!(direct.contains(call), "--direct asks for {direct:?}");
    }
    // It goes through the same client as the gateway's.
    assert!(direct.is_subset(&data_plane_calls()), "{direct:?}");
    let needed: BTreeSet<String> = sdk
        .union(&direct)
        .filter_map(|operation| action(operation))
        .collect();
    let policy = Policy::read(root(), "plugin");
    for action in &needed {
        assert!(policy.allows(action), "plugin.json lacks {action}");
    }
    assert_eq!(policy.allowed(), &needed);
}

#[test]
fn policies_are_sound_documents_without_patterns_in_what_they_allow() {
    let sid = Regex::new("^[A-Za-z0-9]+$").unwrap();
    for (name, (_, document)) in documents() {
        assert_eq!(document["Version"], "2012-10-17", "{name}");
        let mut sids = BTreeSet::new();
        for statement in statements(&document) {
            let own = statement["Sid"].as_str().unwrap();
            assert!(sid.is_match(own) && sids.insert(own), "{name}: {own}");
            let actions = one_or_many(&statement["Action"]);
            assert!(!actions.is_empty(), "{name}: {own}");
            if statement["Effect"] == "Deny" {
                continue;
            }
            assert_eq!(statement["Effect"], "Allow", "{name}: {own}");
            let pattern = actions.iter().find(|action| action.contains(['*', '?']));
            assert_eq!(pattern, None, "{name}: {own}");
            if name.contains("trust") {
                assert!(statement["Principal"].is_object(), "{name}: {own}");
                assert!(statement["Condition"].is_object(), "{name}: {own}");
                continue;
            }
            let resources = one_or_many(&statement["Resource"]);
            assert!(!resources.is_empty(), "{name}: {own}");
            // A boundary grants nothing: it says what others may grant.
            if resources.iter().any(|one| one == "*") && name != "permission-boundary" {
                let could = actions
                    .iter()
                    .find(|one| !WITHOUT_RESOURCE.contains(&one.as_str()));
                assert_eq!(could, None, "{name}: {own} could name a resource");
            }
        }
    }
}

#[test]
fn every_placeholder_is_explained_and_nothing_is_left_once_they_are_filled_in() {
    let placeholder = Regex::new(r"\$\{([A-Z_]+)\}").unwrap();
    let readme = std::fs::read_to_string(root().join("docs/iam/README.md")).unwrap();
    let mut seen = BTreeSet::new();
    for (name, (text, _)) in documents() {
        seen.extend(
            placeholder
                .captures_iter(&text)
                .map(|one| one[1].to_owned()),
        );
        let filled = placeholder.replace_all(&text, "x");
        // IAM's own spelling of an asterisk that stands for itself.
        let filled = filled.replace("${*}", "");
        assert!(!filled.contains("${"), "{name}");
        serde_json::from_str::<Value>(&filled).unwrap();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), PLACEHOLDERS);
    for name in PLACEHOLDERS {
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn every_statement_is_explained_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("docs/iam/README.md")).unwrap();
    for (name, (_, document)) in documents() {
        assert!(readme.contains(&format!("({name}.json)")), "{name}");
        for statement in statements(&document) {
            let sid = statement["Sid"].as_str().unwrap();
            assert!(readme.contains(&format!("`{sid}`")), "{name}: {sid}");
        }
    }
    for program in PROGRAMS {
        for action in dependent(program).keys() {
            assert!(readme.contains(&format!("`{action}`")), "{action}");
        }
    }
}

#[test]
fn roles_are_passed_to_agentcore_only_and_assumed_for_this_account_only() {
    let documents = documents();
    let pass = statement(&documents["controller"].1, "iam:PassRole");
    assert_eq!(
        pass["Condition"]["StringEquals"]["iam:PassedToService"],
        "bedrock-agentcore.amazonaws.com"
    );
    assert!(
        pass["Resource"]
            .as_str()
            .unwrap()
            .ends_with(":role/agentcore/*")
    );
    let trust = &statements(&documents["execution-role-trust"].1)[0]["Condition"];
    assert_eq!(trust["StringEquals"]["aws:SourceAccount"], "${ACCOUNT}");
    let source = trust["ArnLike"]["aws:SourceArn"].as_str().unwrap();
    assert!(source.starts_with("arn:aws:bedrock-agentcore:${REGION}:${ACCOUNT}:"));
}

/// A request, as IAM sees it.
struct Request<'a> {
    action: &'a str,
    resource: &'a str,
    /// Condition keys that have a value.
    context: &'a [(&'a str, &'a str)],
}

/// Whether a pattern of IAM covers a resource: `*` is any characters, `${*}` an asterisk.
fn covers(pattern: &str, resource: &str) -> bool {
    let parts = pattern.split("${*}").map(|part| {
        let words: Vec<_> = part.split('*').map(regex::escape).collect();
        words.join(".*")
    });
    let parts: Vec<_> = parts.collect();
    let pattern = format!("^{}$", parts.join(r"\*"));
    Regex::new(&pattern).unwrap().is_match(resource)
}

/// Whether the conditions of a statement hold, as IAM's documentation has the four operators that are used.
fn holds(statement: &Value, context: &BTreeMap<&str, &str>) -> bool {
    let none = serde_json::Map::new();
    let operators = statement["Condition"].as_object().unwrap_or(&none);
    operators.iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, value)| {
            let there = context.get(key.as_str()).copied();
            let wanted = one_or_many(value);
            let among = |text: &str| wanted.iter().any(|one| one == text);
            match operator.as_str() {
                "StringEquals" => there.is_some_and(among),
                "StringEqualsIfExists" => there.is_none_or(among),
                "Null" => value == &Value::from(if there.is_none() { "true" } else { "false" }),
                other => panic!("what does {other} mean?"),
            }
        })
    })
}

/// The policies with everything filled in: cluster `a`, UID `u`, prefix `c1`, every runtime, `legacy-*` to be adopted.
fn filled(names: &[&str]) -> Vec<Value> {
    let documents = documents();
    let texts = names.iter().map(|name| documents[*name].0.clone());
    let values = [
        ("CLUSTER_ID", "a"),
        ("CLUSTER_UID", "u"),
        ("RUNTIME_PREFIX", "c1"),
        ("RUNTIMES", "*"),
        ("ADOPTED", "legacy-*"),
    ];
    let fill = |text: String| {
        values.iter().fold(text, |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        })
    };
    texts
        .map(|text| serde_json::from_str(&fill(text)).unwrap())
        .collect()
}

fn allowed(policies: &[Value], request: &Request<'_>) -> bool {
    let context: BTreeMap<&str, &str> = request.context.iter().copied().collect();
    let action = format!("bedrock-agentcore:{}", request.action);
    let resource = format!(
        "arn:aws:bedrock-agentcore:${{REGION}}:${{ACCOUNT}}:{}",
        request.resource
    );
    policies.iter().flat_map(statements).any(|statement| {
        statement["Effect"] == "Allow"
            && one_or_many(&statement["Action"]).contains(&action)
            && one_or_many(&statement["Resource"])
                .iter()
                .any(|pattern| covers(pattern, &resource))
            && holds(statement, &context)
    })
}

const THEIRS: (&str, &str) = ("aws:ResourceTag/agentcore.dev/cluster", "b");
const OURS: (&str, &str) = ("aws:ResourceTag/agentcore.dev/cluster", "a");
const OUR_UID: (&str, &str) = ("aws:ResourceTag/agentcore.dev/cluster-uid", "u");
const OTHER_UID: (&str, &str) = ("aws:ResourceTag/agentcore.dev/cluster-uid", "other");
const SET: (&str, &str) = ("aws:RequestTag/agentcore.dev/cluster", "a");
const SET_UID: (&str, &str) = ("aws:RequestTag/agentcore.dev/cluster-uid", "u");
const SET_OTHER: (&str, &str) = ("aws:RequestTag/agentcore.dev/cluster", "b");

#[test]
fn runtimes_of_others_are_neither_changed_nor_deleted() {
    let policies = filled(&["controller"]);
    for action in [
        "UpdateAgentRuntime",
        "DeleteAgentRuntime",
        "TagResource",
        "UntagResource",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
    ] {
        let may = |context: &[(&str, &str)]| {
            let resource = "runtime/support-0123456789";
            allowed(
                &policies,
                &Request {
                    action,
                    resource,
                    context,
                },
            )
        };
        assert!(may(&[OURS, OUR_UID]), "{action} of our own");
        assert!(may(&[OURS]), "{action} of what an earlier release made");
        assert!(!may(&[THEIRS]), "{action} of another cluster's");
        assert!(!may(&[THEIRS, OUR_UID]), "{action} of another cluster's");
        assert!(
            !may(&[OURS, OTHER_UID]),
            "{action} of another cluster of the same id"
        );
        assert!(!may(&[]), "{action} of nobody's");
        assert!(!may(&[OURS, OUR_UID, SET_OTHER]), "{action}: given away");
    }
}

#[test]
fn a_resource_is_tagged_first_only_as_ours_without_a_clusters_tag_and_under_our_names() {
    let policies = filled(&["controller"]);
    let both = filled(&["controller", "adoption"]);
    let may = |policies: &[Value], resource: &str, context: &[(&str, &str)]| {
        let action = "TagResource";
        allowed(
            policies,
            &Request {
                action,
                resource,
                context,
            },
        )
    };
    let ours = [SET, SET_UID];
    // At a create, as AWS asks for it, and by the name that the runtime is to have.
    assert!(may(&policies, "runtime/*", &ours));
    assert!(may(&policies, "runtime/c1f9a0e_support-0123456789", &ours));
    assert!(may(
        &policies,
        "runtime/support-0123456789/runtime-endpoint/live",
        &ours
    ));
    // What is there, and is not ours.
    let (team_a, legacy) = (
        "runtime/team_a_support-0123456789",
        "runtime/legacy-0123456789",
    );
    for theirs in [team_a, legacy] {
        assert!(!may(&policies, theirs, &ours), "{theirs}: untagged");
        assert!(!may(&policies, theirs, &[SET, SET_UID, THEIRS]), "{theirs}");
    }
    let own_name = "runtime/c1f9a0e_support-0123456789";
    assert!(!may(&policies, own_name, &[SET, SET_UID, THEIRS]));
    assert!(!may(&policies, own_name, &[SET, SET_UID, OURS, OTHER_UID]));
    assert!(
        !may(&policies, own_name, &[SET_OTHER, SET_UID]),
        "as another's"
    );
    assert!(!may(&policies, own_name, &[]), "without ownership tags");
    // Adoption is named, one by one.
    assert!(may(&both, legacy, &[SET, SET_UID, THEIRS]));
    assert!(!may(&both, team_a, &[SET, SET_UID, THEIRS]));
    assert!(!may(&both, legacy, &[SET_OTHER, SET_UID]));
}

#[test]
fn nothing_is_made_without_the_tags_of_this_cluster() {
    let policies = filled(&["controller"]);
    let may = |context: &[(&str, &str)]| {
        let (action, resource) = ("CreateAgentRuntime", "runtime/*");
        allowed(
            &policies,
            &Request {
                action,
                resource,
                context,
            },
        )
    };
    assert!(may(&[SET, SET_UID]));
    for context in [&[SET][..], &[SET_UID], &[SET_OTHER, SET_UID], &[]] {
        assert!(!may(context), "{context:?}");
    }
}

#[test]
fn a_create_with_tags_is_allowed_with_all_that_aws_asks_for_besides() {
    // As AWS's refusals name them: a create knows no id, so that the resource is the pattern itself.
    let asked = [
        ("CreateAgentRuntime", "runtime/*"),
        ("TagResource", "runtime/*"),
        ("CreateAgentRuntimeEndpoint", "runtime/*"),
        (
            "CreateWorkloadIdentity",
            "workload-identity-directory/default",
        ),
        ("TagResource", "workload-identity-directory/default"),
        (
            "TagResource",
            "workload-identity-directory/default/workload-identity/*",
        ),
    ];
    let policies = filled(&["controller"]);
    for (action, resource) in asked {
        let context = &[SET, SET_UID];
        let request = Request {
            action,
            resource,
            context,
        };
        assert!(allowed(&policies, &request), "{action} on {resource}");
    }
}

#[test]
fn the_boundary_leaves_the_example_of_an_execution_role_whole_and_lets_no_other_identity_in() {
    let role = Policy::read(root(), "execution-role");
    let boundary = Policy::read(root(), "permission-boundary");
    let cut: Vec<_> = role
        .allowed()
        .iter()
        .filter(|one| !boundary.allows(one))
        .collect();
    assert!(cut.is_empty(), "the boundary cuts off {cut:?}");
    for never in ["iam:PassRole", "iam:CreateUser", "sts:AssumeRole"] {
        assert!(!boundary.allows(never), "{never}");
    }
}

#[test]
fn the_gateway_is_forbidden_to_speak_for_a_user_and_to_run_commands() {
    let documents = documents();
    let gateway = &documents["gateway"].1;
    for never in [
        "InvokeAgentRuntimeForUser",
        "InvokeAgentRuntimeWithWebSocketStreamForUser",
        "InvokeAgentRuntimeCommand",
        "InvokeAgentRuntimeCommandShell",
    ] {
        let statement = statement(gateway, &format!("bedrock-agentcore:{never}"));
        assert_eq!(statement["Effect"], "Deny", "{never}");
        assert_eq!(statement["Resource"], "*", "{never}");
    }
}
