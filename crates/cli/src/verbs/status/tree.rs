//! Agents as a tree for a terminal: what is wrong first, then each object with what belongs to it.

use agentcore_api::Kind;
use agentcore_api::sessions::SessionsStatus;
use agentcore_api::{conditions, reasons};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::model::{Forest, Node, Version};
use crate::output::{Paint, Symbols, Table, Tone, ago, span};
use crate::verdict::State;

/// Hex digits of a digest that people need.
const DIGEST_DIGITS: usize = 12;

/// How the tree is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colours.
    pub paint: Paint,
    /// Signs.
    pub symbols: Symbols,
    /// Columns of the terminal; absent: lines are as long as they are.
    pub width: Option<usize>,
    /// Conditions and versions too.
    pub details: bool,
    /// More columns.
    pub wide: bool,
    /// Namespaces are named.
    pub namespaces: bool,
    /// Now.
    pub now: Timestamp,
}

/// The text, a line for each object.
pub fn draw(forest: &Forest, look: &Look) -> String {
    let mut out = summary(forest, look);
    let mut head = vec!["NAME", "STATUS", "VERSION", "SESSIONS", "AGE"];
    if look.namespaces {
        head.insert(0, "NAMESPACE");
    }
    if look.wide {
        head.push("ARTIFACT");
    }
    head.push("INFO");
    let mut table = Table::new(&head);
    for item in &forest.items {
        Rows {
            look,
            table: &mut table,
        }
        .node(item, &item.namespace, "", "");
    }
    out.push_str(&table.text(look.paint, look.width));
    out
}

/// How many are how, and what is wrong: the worst first.
fn summary(forest: &Forest, look: &Look) -> String {
    let nodes: Vec<&Node> = forest.items.iter().flat_map(Node::all).collect();
    let mut out = String::new();
    if nodes.len() > 1 {
        let mut parts = Vec::new();
        for kind in Kind::ALL {
            let of_kind: Vec<_> = nodes.iter().filter(|node| node.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            let counted = |state: State| {
                of_kind
                    .iter()
                    .filter(|node| node.verdict.state == state)
                    .count()
            };
            let states: Vec<_> = [
                (State::Failed, "failed"),
                (State::Waiting, "waiting"),
                (State::Progressing, "in progress"),
                (State::Warning, "with a warning"),
                (State::Suspended, "suspended"),
                (State::Ready, "ready"),
            ]
            .into_iter()
            .filter(|(state, _)| counted(*state) > 0)
            .map(|(state, word)| {
                look.paint
                    .text(state.tone(), &format!("{} {word}", counted(state)))
            })
            .collect();
            let plural = if of_kind.len() == 1 { "" } else { "s" };
            parts.push(format!(
                "{} {}{plural}: {}",
                of_kind.len(),
                kind.word(),
                states.join(", ")
            ));
        }
        out.push_str(&parts.join("; "));
        out.push_str("\n\n");
    }
    let mut wrong: Vec<_> = nodes
        .iter()
        .filter(|node| !node.verdict.problems.is_empty())
        .collect();
    wrong.sort_by_key(|node| node.verdict.state);
    for node in &wrong {
        let place = if look.namespaces {
            format!("{}/", node.namespace)
        } else {
            String::new()
        };
        for problem in &node.verdict.problems {
            let mut line = Table::new(&[]);
            line.free(&[
                (
                    node.verdict.state.tone(),
                    look.symbols.state(node.verdict.state),
                ),
                (
                    Tone::Strong,
                    &format!("{} {place}{}:", node.kind.as_str(), node.name),
                ),
                (node.verdict.state.tone(), &format!("{}:", problem.reason)),
                (Tone::Plain, &problem.message),
            ]);
            // Messages are what people came for: never cut.
            out.push_str(&line.text(look.paint, None));
        }
    }
    if !wrong.is_empty() {
        out.push('\n');
    }
    out
}

struct Rows<'a> {
    look: &'a Look,
    table: &'a mut Table,
}

impl Rows<'_> {
    fn node(&mut self, node: &Node, namespace: &str, first: &str, rest: &str) {
        let look = self.look;
        let mut cells = vec![
            (
                Tone::Plain,
                format!("{first}{}/{}", node.kind.as_str(), node.name),
            ),
            (
                node.verdict.state.tone(),
                format!(
                    "{} {}",
                    look.symbols.state(node.verdict.state),
                    node.verdict.reason
                ),
            ),
            (Tone::Plain, going(node)),
            (
                Tone::Plain,
                node.sessions.as_ref().map(sessions).unwrap_or_default(),
            ),
            (Tone::Plain, ago(node.created_at.as_deref(), look.now)),
        ];
        if look.namespaces {
            cells.insert(0, (Tone::Dim, namespace.to_owned()));
        }
        if look.wide {
            cells.push((
                Tone::Plain,
                node.artifact
                    .as_deref()
                    .map(short_digest)
                    .unwrap_or_default(),
            ));
        }
        cells.push((Tone::Dim, self.info(node)));
        self.table.row(cells);
        let (conditions, versions) = if look.details {
            (beside(node), node.versions.as_slice())
        } else {
            (Vec::new(), &[][..])
        };
        let count = conditions.len() + versions.len() + node.children.len();
        let mut at = 0;
        let mut branch = || {
            at += 1;
            if at == count {
                (look.symbols.last, look.symbols.space)
            } else {
                (look.symbols.middle, look.symbols.bar)
            }
        };
        for condition in conditions {
            self.condition(condition, node, &format!("{rest}{}", branch().0));
        }
        for version in versions {
            self.version(version, node, &format!("{rest}{}", branch().0));
        }
        for child in &node.children {
            let (here, below) = branch();
            self.node(
                child,
                namespace,
                &format!("{rest}{here}"),
                &format!("{rest}{below}"),
            );
        }
    }

    /// A condition besides Ready, which the object's own row tells of.
    fn condition(&mut self, condition: &Condition, node: &Node, first: &str) {
        let state = of_condition(condition);
        let since = condition.last_transition_time.0.to_string();
        self.add(
            node,
            [
                (Tone::Dim, format!("{first}{}", condition.type_)),
                (
                    state.tone(),
                    format!("{} {}", self.look.symbols.state(state), condition.reason),
                ),
                (Tone::Plain, String::new()),
                (Tone::Plain, String::new()),
                (Tone::Plain, ago(Some(&since), self.look.now)),
            ],
            condition.message.clone(),
        );
    }

    /// Adds a row that belongs to an object's.
    fn add(&mut self, node: &Node, cells: [(Tone, String); 5], info: String) {
        let mut cells = Vec::from(cells);
        if self.look.namespaces {
            cells.insert(0, (Tone::Dim, node.namespace.clone()));
        }
        if self.look.wide {
            cells.push((Tone::Plain, String::new()));
        }
        cells.push((Tone::Dim, info));
        self.table.row(cells);
    }

    /// What else there is to say in a line; problems stand above the tree already.
    fn info(&self, node: &Node) -> String {
        match (node.kind, node.verdict.state) {
            (Kind::AgentSession, State::Ready) => node
                .last_answer_time
                .as_deref()
                .map_or_else(String::new, |time| {
                    format!("answered {} ago", ago(Some(time), self.look.now))
                }),
            // What is wrong is said above already.
            _ if !node.verdict.problems.is_empty() => self.retry(node),
            (_, State::Ready) => String::new(),
            _ => node.verdict.message.clone(),
        }
    }

    /// When the operator tries again by itself.
    fn retry(&self, node: &Node) -> String {
        let at = node
            .retry_at
            .as_deref()
            .and_then(|text| text.parse::<Timestamp>().ok());
        at.map_or_else(String::new, |at| {
            let seconds = at.as_second() - self.look.now.as_second();
            format!(
                "retrying in {}; to retry now: retry {}",
                span(seconds),
                node.reference()
            )
        })
    }

    fn version(&mut self, version: &Version, node: &Node, first: &str) {
        let look = self.look;
        let making = node.target_version.as_deref() == Some(&version.number);
        let (tone, sign, word) = match version.was_ready {
            _ if version.live => (Tone::Good, look.symbols.state(State::Ready), "live"),
            Some(false) if making && node.verdict.state == State::Progressing => (
                Tone::Busy,
                look.symbols.state(State::Progressing),
                "being made",
            ),
            Some(false) => (Tone::Bad, look.symbols.state(State::Failed), "not ready"),
            _ => (Tone::Dim, look.symbols.old, "old"),
        };
        let why = match (&version.cause, &version.message) {
            (Some(cause), Some(message)) => format!("{cause}: {message}"),
            _ => String::new(),
        };
        let cells = [
            (Tone::Dim, format!("{first}version {}", version.number)),
            (tone, format!("{sign} {word}")),
            (Tone::Plain, version.number.clone()),
            (
                Tone::Plain,
                by_version(node.sessions.as_ref(), &version.number),
            ),
            (Tone::Plain, ago(version.time.as_deref(), look.now)),
        ];
        self.add(node, cells, why);
    }
}

/// Conditions that say something besides Ready.
fn beside(node: &Node) -> Vec<&Condition> {
    let said = [
        conditions::READY,
        conditions::RECONCILING,
        conditions::STALLED,
    ];
    let all = node.conditions.iter();
    all.filter(|one| !said.contains(&one.type_.as_str()))
        .collect()
}

fn of_condition(condition: &Condition) -> State {
    match (condition.status.as_str(), condition.reason.as_str()) {
        ("True", _) => State::Ready,
        ("False", reasons::DRAINING | reasons::LEFT_TO_TIME_OUT) => State::Progressing,
        ("False", _) => State::Failed,
        _ => State::Suspended,
    }
}

fn going(node: &Node) -> String {
    match (node.live_version.as_deref(), node.target_version.as_deref()) {
        (Some(live), Some(target)) if live != target => format!("{live} > {target}"),
        (Some(live), _) => live.to_owned(),
        (None, Some(target)) => format!("> {target}"),
        (None, None) => String::new(),
    }
}

/// `12`, or `12 (3 old, 1 refused)`.
fn sessions(sessions: &SessionsStatus) -> String {
    let mut notes = Vec::new();
    if sessions.stale > 0 {
        notes.push(format!("{} old", sessions.stale));
    }
    if sessions.failed > 0 {
        notes.push(format!("{} not stopped", sessions.failed));
    }
    if notes.is_empty() {
        sessions.tracked.to_string()
    } else {
        format!("{} ({})", sessions.tracked, notes.join(", "))
    }
}

fn by_version(sessions: Option<&SessionsStatus>, version: &str) -> String {
    sessions
        .and_then(|sessions| sessions.by_version.get(version))
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `sha256:0123456789ab` for a digest, anything else as it is.
pub fn short_digest(text: &str) -> String {
    match text.split_once("sha256:") {
        Some((before, hex)) if hex.len() > DIGEST_DIGITS && hex.is_ascii() => {
            format!("{before}sha256:{}", &hex[..DIGEST_DIGITS])
        }
        _ => text.to_owned(),
    }
}
