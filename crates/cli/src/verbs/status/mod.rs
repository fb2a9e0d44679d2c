//! `status`: agents as a tree, once or as they change.

mod live;
mod model;
#[cfg(test)]
mod tests;
mod tree;

pub use tree::short_digest;

use agentcore_api::Kind;
use jiff::Timestamp;
use kube::api::DynamicObject;

use crate::args::{self, Format};
use crate::context::{Cluster, Context, nothing};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Reference, list};
use crate::output::{Output, Symbols, lines, remark};
use live::Live;
use model::{Forest, World};
use tree::Look;

/// Shows agents.
pub async fn run(args: args::Status, context: &Context) -> Result<Outcome, Error> {
    let wanted: Vec<Reference> = args
        .names
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let cluster = context.cluster().await?;
    let view = View {
        wanted,
        all_namespaces: args.all_namespaces,
        format: args.output,
        output: context.output,
        namespace: cluster.namespace.clone(),
    };
    if args.watch {
        view.follow(cluster).await
    } else {
        let forest = view.choose(&gather(cluster, args.all_namespaces).await?)?;
        view.output.print(&view.text(&forest)?)?;
        view.say_nothing(&forest);
        Ok(Outcome::Done)
    }
}

/// An object and what belongs to it.
pub async fn below(reference: &Reference, cluster: &Cluster) -> Result<Vec<Reference>, Error> {
    let forest = gather(cluster, false).await?.forest();
    let known = forest.references();
    let forest = forest
        .only(std::slice::from_ref(reference))
        .map_err(|missing| missing.not_found(&cluster.namespace, &known))?;
    Ok(forest.references())
}

/// Three lists, side by side; no call for each object. Without the right to endpoints or sessions, or without their kind, the
/// rest is shown all the same.
async fn gather(cluster: &Cluster, all_namespaces: bool) -> Result<World, Error> {
    let (runtimes, endpoints, sessions) = tokio::join!(
        list(Kind::AgentRuntime, cluster, all_namespaces),
        list(Kind::AgentEndpoint, cluster, all_namespaces),
        list(Kind::AgentSession, cluster, all_namespaces),
    );
    let runtimes = runtimes?;
    let or_none = |found: Result<Vec<DynamicObject>, Error>| match found {
        Err(error) if error.hides_a_kind() => {
            remark(&format!("not shown: {error}"));
            Ok(Vec::new())
        }
        other => other,
    };
    Ok(World {
        runtimes,
        endpoints: or_none(endpoints)?,
        sessions: or_none(sessions)?,
    })
}

/// What is to be shown, and how.
struct View {
    wanted: Vec<Reference>,
    all_namespaces: bool,
    format: Option<Format>,
    output: Output,
    namespace: String,
}

impl View {
    fn choose(&self, world: &World) -> Result<Forest, Error> {
        let forest = world.forest();
        let known = forest.references();
        forest
            .only(&self.wanted)
            .map_err(|missing| missing.not_found(&self.namespace, &known))
    }

    fn text(&self, forest: &Forest) -> Result<String, Error> {
        match self.format {
            Some(format @ (Format::Json | Format::Yaml)) => crate::output::written(format, forest),
            Some(Format::Name) => {
                let nodes = forest.items.iter().flat_map(model::Node::all);
                Ok(lines(nodes.map(|node| {
                    let kind = node.kind.singular();
                    format!("{kind}.{}/{}", agentcore_api::GROUP, node.name)
                })))
            }
            wide @ (None | Some(Format::Wide)) if !forest.items.is_empty() => {
                Ok(tree::draw(forest, &self.look(wide.is_some())))
            }
            _ => Ok(String::new()),
        }
    }

    fn look(&self, wide: bool) -> Look {
        Look {
            paint: self.output.paint,
            symbols: Symbols::of_locale(),
            width: self
                .output
                .size()
                .map(|(columns, _)| columns)
                .filter(|_| !wide),
            details: wide || !self.wanted.is_empty(),
            wide,
            namespaces: self.all_namespaces,
            now: Timestamp::now(),
        }
    }

    /// An empty answer to a person says that it is empty, beside the result.
    fn say_nothing(&self, forest: &Forest) {
        if forest.items.is_empty() && !matches!(self.format, Some(Format::Json | Format::Yaml)) {
            remark(&nothing(&self.namespace, self.all_namespaces));
        }
    }

    /// Frame after frame, until Ctrl-C.
    async fn follow(&self, cluster: &Cluster) -> Result<Outcome, Error> {
        let mut live = Live::new(cluster, self.all_namespaces)?;
        // Values are for programs: one after the other, even on a terminal.
        let redraw = matches!(self.format, None | Some(Format::Wide));
        let mut screen = self.output.screen(redraw);
        loop {
            live.next().await?;
            let forest = match self.choose(&live.world()) {
                Ok(forest) => forest,
                // A name that was there and is deleted ends the look at it.
                Err(error) => {
                    screen.end()?;
                    return Err(error);
                }
            };
            let mut text = self.text(&forest)?;
            if text.is_empty() {
                text.push_str("no agents yet\n");
            }
            if redraw {
                for note in live.hidden.values().chain(&live.trouble) {
                    text.extend(["\n", note, "\n"]);
                }
            }
            screen.show(&text)?;
        }
    }
}
