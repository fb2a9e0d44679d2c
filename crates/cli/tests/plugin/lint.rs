//! `lint`: its verdicts are those of the API server, and name file and line.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::{offline, stream};
use crate::{authorizer, endpoint, runtime, session};

/// What somebody would refuse of a stream of objects, by the line of each object.
fn findings(objects: &[Value], by: &str) -> BTreeMap<u64, Vec<String>> {
    let stream = stream(objects);
    let ran = offline(&["lint", "-o", "json", "-"], &stream);
    assert!(ran.code <= 1, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        report["checked"],
        json!(objects.len()),
        "every object is looked at"
    );
    let mut by_line = BTreeMap::<u64, Vec<String>>::new();
    for finding in report["findings"].as_array().expect("a list") {
        if finding["by"] != by {
            continue;
        }
        let text = format!(
            "{}: {}",
            finding["field"].as_str().unwrap_or_default(),
            finding["message"]
        );
        by_line
            .entry(finding["line"].as_u64().expect("a line"))
            .or_default()
            .push(text);
    }
    by_line
}

#[test]
fn lint_judges_every_manifest_of_the_admission_tables_as_the_api_server_does() {
    let tables = [
        runtime::cases(),
        authorizer::cases(),
        endpoint::cases(),
        session::cases(),
    ];
    let cases: Vec<_> = tables.into_iter().flatten().collect();
    assert!(cases.len() > 300, "only {} cases", cases.len());
    let objects: Vec<Value> = cases.iter().map(|case| case.object.clone()).collect();
    let found = findings(&objects, "ApiServer");
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let line = 2 * (at as u64 + 1);
        match (&case.refused, found.get(&line)) {
            (None, None) | (Some(_), Some(_)) => {}
            (None, Some(said)) => wrong.push(format!(
                "{}: refused, and the API server takes it: {said:?}",
                case.title
            )),
            (Some(says), None) => wrong.push(format!(
                "{}: taken, and the API server says {says:?}",
                case.title
            )),
        }
        // Where a rule of ours speaks, both say the same.
        let ours = |part: &&String| {
            (part.contains("must ") && !part.contains("must be of type"))
                || part.contains("may be given only")
        };
        if let (Some(says), Some(said)) = (&case.refused, found.get(&line)) {
            for part in says.iter().filter(ours) {
                if !said.iter().any(|text| text.contains(part.as_str()))
                    && !part.contains("must have at most")
                {
                    wrong.push(format!("{}: {part:?} is not in {said:?}", case.title));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} judged otherwise:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_hundred_good_manifests_have_no_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = runtime::cases();
    // A policy of x is none to the operator.
    let good = table.iter().filter(|case| {
        case.refused.is_none() && case.object.pointer("/spec/resourcePolicy").is_none()
    });
    for (at, case) in good.cycle().take(100).enumerate() {
        std::fs::write(
            folder.path().join(format!("{at}.yaml")),
            serde_yaml::to_string(&case.object).unwrap(),
        )
        .unwrap();
    }
    let ran = offline(&["lint", folder.path().to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "0 findings in 100 objects of 100 files checked\n");
}

#[test]
fn the_examples_of_the_project_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ran = offline(&["lint", root.join("examples").to_str().unwrap()], "");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn findings_name_file_line_and_what_may_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(
        &file,
        "apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: agentcore.dev/v1alpha1
kind: AgentEndpoint
metadata:
  name: support-live
  lables: {}
spec:
  runtimeReff:
    name: support
  version: 7
---
apiVersion: agentcore.dev/v1alpha1
kind: AgentRuntim
metadata: {name: a}
",
    )
    .unwrap();
    let name = file.display();
    let ran = offline(&["lint", file.to_str().unwrap()], "");
    assert_eq!(ran.code, 1);
    let expected = [
        format!(
            "{name}:9: AgentEndpoint/support-live: metadata.lables: unknown field \"lables\"; did you mean labels?"
        ),
        format!("{name}:10: AgentEndpoint/support-live: spec: runtimeRef is required"),
        format!(
            "{name}:11: AgentEndpoint/support-live: spec.runtimeReff: unknown field \"runtimeReff\"; did you mean runtimeRef?"
        ),
        format!(
            "{name}:13: AgentEndpoint/support-live: spec.version: 7 is no string; put it in quotes"
        ),
        format!(
            "{name}:16: AgentRuntim/a: kind: agentcore.dev has no kind \"AgentRuntim\"; did you mean AgentRuntime?"
        ),
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        ran.err,
        "5 findings in 2 objects of 1 file checked, 1 object of other kinds skipped\n"
    );
}

#[test]
fn what_only_the_operator_would_refuse_is_found_too() {
    let mut object = runtime::minimal();
    object["spec"]["artifact"]["container"]["follow"] = json!({"semver": {"range": "^^1"}});
    let found = findings(&[object], "Operator");
    let said = found.get(&2).expect("a finding");
    assert!(
        said[0].contains("spec.artifact.container.follow.semver"),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    let ran = offline(&["lint", "/nonexistent/a.yaml"], "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err
            .starts_with("error: /nonexistent/a.yaml cannot be read: "),
        "{ran:?}"
    );
    assert_eq!(ran.err.lines().count(), 1);
    let ran = offline(&["lint", "-"], "kind: [\n");
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("<stdin>:"), "{ran:?}");
}
