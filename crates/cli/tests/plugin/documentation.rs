//! The page of the user guide says what the program says of itself.

use std::path::Path;

use crate::run::offline;

/// Verbs that talk to agents have a page of their own.
const ELSEWHERE: [&str; 4] = ["invoke", "chat", "sessions", "logs"];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubectl-plugin.md");
    std::fs::read_to_string(path).unwrap()
}

/// Names in the list of commands of a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(ToOwned::to_owned))
        .collect()
}

#[test]
fn every_verb_is_in_the_guide() {
    let page = page();
    let verbs = commands(&offline(&["--help"], "").out);
    assert!(verbs.len() > 10, "{verbs:?}");
    for verb in verbs
        .iter()
        .filter(|verb| !ELSEWHERE.contains(&verb.as_str()))
    {
        let below = commands(&offline(&[verb, "--help"], "").out);
        if below.is_empty() {
            assert!(page.contains(&format!("| `{verb} ")), "{verb}");
        }
        for below in below {
            assert!(
                page.contains(&format!("| `{verb} {below} ")),
                "{verb} {below}"
            );
        }
    }
}

#[test]
fn exit_codes_of_the_guide_are_those_of_the_help() {
    let page = page();
    let help = offline(&["--help"], "").out;
    let codes: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "130"]);
    let table: Vec<&str> = page
        .lines()
        .skip_while(|line| *line != "| code | meaning |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .collect();
    assert_eq!(table, codes);
}

#[test]
fn the_script_for_bash_completes_verbs() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kubectl-agentcore");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-agentcore"), program).unwrap();
    let script = r#"
        source <(kubectl-agentcore completion bash)
        words=$(complete -p kubectl-agentcore) && words=${words##*-F } && function=${words%% *}
        COMP_WORDS=(kubectl-agentcore rollout h) COMP_CWORD=2 COMP_TYPE=9
        "$function" kubectl-agentcore h rollout
        echo "${COMPREPLY[@]}"
    "#;
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .env("PATH", path)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(out.trim(), "history", "{output:?}");
}
