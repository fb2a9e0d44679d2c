//! Completion of words, names of objects included: for a shell that asks `kubectl-agentcore` itself, and for kubectl, which
//! asks the program `kubectl_complete-agentcore` and wants an answer as its own completion gives it.

use agentcore_api::Kind;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use clap_complete::env::{CompleteEnv, Shells};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::{Api, ResourceExt as _};

use crate::args::{Arguments, Color, CompletionShell, Global};
use crate::context::Cluster;
use crate::objects::{list, pages};

/// Variable by which a shell asks.
const VARIABLE: &str = "KUBECTL_AGENTCORE_COMPLETE";
/// The program.
const PROGRAM: &str = "kubectl-agentcore";
/// The program that kubectl asks; the same one under another name.
const FOR_KUBECTL: &str = "kubectl_complete-agentcore";
/// Nobody waits longer for a name.
const PATIENCE: Duration = Duration::from_secs(3);

/// What kubectl's completion is told besides the words.
mod directive {
    /// No blank after the word.
    pub const NO_SPACE: u8 = 2;
    /// No names of files.
    pub const NO_FILES: u8 = 4;
}

/// Answers a shell or kubectl, if it is one of them that asks. `true`: there is nothing else to do.
pub fn answer() -> bool {
    let asked = CompleteEnv::with_factory(Arguments::command)
        .var(VARIABLE)
        .bin(PROGRAM)
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    if asked.unwrap_or(true) {
        return true; // an answer that cannot be given is none
    }
    let mut words = std::env::args_os();
    let own = words.next().unwrap_or_default();
    let mut words: Vec<OsString> = words.collect();
    if Path::new(&own).file_name() != Some(OsStr::new(FOR_KUBECTL)) {
        if words.first().is_none_or(|word| word != "__complete") {
            return false;
        }
        words.remove(0);
    }
    // Nobody reads on where this fails.
    let _ = crate::output::Output::of_terminal(Color::Never).print(&for_kubectl(&words));
    true
}

/// The words as kubectl wants them: one a line, its meaning after a tab, and a directive at the end.
fn for_kubectl(words: &[OsString]) -> String {
    let mut all = vec![OsString::from(PROGRAM)];
    all.extend(words.iter().cloned());
    if all.len() == 1 {
        all.push(OsString::new());
    }
    let last = all.len() - 1;
    let folder = std::env::current_dir().ok();
    let wants_flags = all[last].to_string_lossy().starts_with('-');
    let mut found =
        complete(&mut Arguments::command(), all, last, folder.as_deref()).unwrap_or_default();
    // As kubectl itself: flags are offered to those who begin one.
    found.retain(|one| wants_flags || !one.get_value().to_string_lossy().starts_with('-'));
    let mut out = String::new();
    let mut open = !found.is_empty();
    for candidate in found.iter().filter(|one| !one.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        open &= value.ends_with(['/', '=']);
        let help = candidate
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        // Into a String: cannot fail.
        let _ = if help.is_empty() {
            writeln!(out, "{value}")
        } else {
            writeln!(out, "{value}\t{help}")
        };
    }
    let directive = directive::NO_FILES | if open { directive::NO_SPACE } else { 0 };
    let _ = writeln!(out, ":{directive}");
    out
}

/// The script of a shell.
pub fn script(shell: CompletionShell) -> String {
    let name = match shell {
        CompletionShell::Bash => "bash",
        CompletionShell::Zsh => "zsh",
        CompletionShell::Fish => "fish",
        CompletionShell::Kubectl => {
            return format!(
                "#!/bin/sh\n# What kubectl asks for completion of `kubectl agentcore`: put it into a folder of $PATH as {FOR_KUBECTL}.\nexec {PROGRAM} __complete \"$@\"\n"
            );
        }
    };
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(name) {
        // Into a vector: cannot fail.
        let _ = completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// Completes `[KIND/]NAME`.
pub fn objects() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy().into_owned();
        let kinds: Vec<(Kind, String)> = match current.split_once('/') {
            Some((word, _)) => Kind::meant_by(word)
                .map(|kind| vec![(kind, format!("{word}/"))])
                .unwrap_or_default(),
            None => Kind::ALL
                .into_iter()
                .map(|kind| {
                    let prefix = if kind == Kind::AgentRuntime {
                        String::new()
                    } else {
                        format!("{}/", kind.word())
                    };
                    (kind, prefix)
                })
                .collect(),
        };
        names(&kinds, &current)
    })
}

/// Completes the NAME of an AgentRuntime.
pub fn runtimes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        names(
            &[(Kind::AgentRuntime, String::new())],
            &current.to_string_lossy(),
        )
    })
}

/// Completes the NAME of an AgentEndpoint.
pub fn endpoints() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        names(
            &[(Kind::AgentEndpoint, String::new())],
            &current.to_string_lossy(),
        )
    })
}

/// Completes the name of a namespace.
pub fn namespaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = asked(async |cluster: &Cluster| {
            let all = Api::<Namespace>::all(cluster.client.clone());
            let all = pages(&all, &ListParams::default())
                .await
                .unwrap_or_default();
            all.iter().map(kube::ResourceExt::name_any).collect()
        });
        fitting(names, &current.to_string_lossy())
    })
}

/// Completes the name of a context.
pub fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let global = flags(std::env::args());
        let kubeconfig = match &global.kubeconfig {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let contexts = kubeconfig.map(|one| one.contexts).unwrap_or_default();
        fitting(
            contexts.into_iter().map(|context| context.name).collect(),
            &current.to_string_lossy(),
        )
    })
}

fn names(kinds: &[(Kind, String)], current: &str) -> Vec<CompletionCandidate> {
    let found = asked(async |cluster: &Cluster| {
        let lists = kinds.iter().map(async |(kind, prefix)| {
            let objects = list(*kind, cluster, false).await.unwrap_or_default();
            objects
                .iter()
                .map(|object| format!("{prefix}{}", object.name_any()))
                .collect::<Vec<_>>()
        });
        join_all(lists).await.concat()
    });
    fitting(found, current)
}

fn fitting(names: Vec<String>, current: &str) -> Vec<CompletionCandidate> {
    let fits = names.into_iter().filter(|name| name.starts_with(current));
    fits.map(CompletionCandidate::new).collect()
}

/// Asks the cluster of the command line that is being written. Whatever goes wrong, there are just no names.
fn asked(names: impl AsyncFnOnce(&Cluster) -> Vec<String>) -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return Vec::new();
    };
    let global = flags(std::env::args());
    let answer = async {
        match Cluster::new(&global).await {
            Ok(cluster) => names(&cluster).await,
            Err(_) => Vec::new(),
        }
    };
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_default()
    })
}

/// The flags that choose a cluster, in a command line that is not finished.
fn flags(words: impl Iterator<Item = String>) -> Global {
    let mut global = Global {
        namespace: None,
        kubeconfig: None,
        context: None,
        cluster: None,
        user: None,
        impersonate: None,
        impersonate_groups: Vec::new(),
        request_timeout: PATIENCE,
        color: Color::Never,
    };
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ if word.starts_with("-n") && word.len() > 2 && !word.starts_with("--") => {
                ("-n".to_owned(), Some(word[2..].to_owned()))
            }
            _ => (word, None),
        };
        let place = match name.as_str() {
            "-n" | "--namespace" => &mut global.namespace,
            "--context" => &mut global.context,
            "--cluster" => &mut global.cluster,
            "--user" => &mut global.user,
            "--as" => &mut global.impersonate,
            "--kubeconfig" => {
                global.kubeconfig = joined.or_else(|| words.next()).map(Into::into);
                continue;
            }
            _ => continue,
        };
        *place = joined
            .or_else(|| words.next())
            .filter(|value| !value.is_empty());
    }
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn kubectl_gets_a_word_a_line_and_a_directive() {
        let answer = for_kubectl(&words("ro"));
        assert!(answer.starts_with("rollout\t"), "{answer}");
        assert!(answer.ends_with("\n:4\n"), "{answer}");
        assert!(for_kubectl(&[]).contains("\nlint\t"), "nothing written yet");
        assert!(for_kubectl(&words("rollout h")).starts_with("history\t"));
        assert!(for_kubectl(&words("status -o j")).starts_with("json"));
        assert!(
            !for_kubectl(&words("__")).contains("__complete"),
            "not for people"
        );
    }

    #[test]
    fn flags_are_found_in_a_line_that_is_not_finished() {
        let global = flags(
            "x status -nteam-a --context=kind --kubeconfig /k --as"
                .split(' ')
                .map(str::to_owned),
        );
        assert_eq!(global.namespace.as_deref(), Some("team-a"));
        assert_eq!(global.context.as_deref(), Some("kind"));
        assert_eq!(global.kubeconfig.as_deref(), Some(Path::new("/k")));
        assert_eq!(global.impersonate, None);
    }

    #[test]
    fn every_shell_has_a_script() {
        for shell in [
            CompletionShell::Bash,
            CompletionShell::Zsh,
            CompletionShell::Fish,
        ] {
            let script = script(shell);
            assert!(
                script.contains(VARIABLE) && script.contains(PROGRAM),
                "{shell:?}: {script}"
            );
        }
        assert!(script(CompletionShell::Kubectl).starts_with("#!/bin/sh\n"));
    }
}
