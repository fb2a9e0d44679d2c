//! Objects of the cluster as people name them on a command line, and how they are read: few calls, whatever their number.

use std::fmt;
use std::str::FromStr;

use agentcore_api::{GROUP, Kind, VERSION};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use crate::context::Cluster;
use crate::error::Error;
use crate::refusals;
use crate::salvaged::Salvaged;

/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Names are alike from this score on (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// The API of a kind: its objects in the namespace, or in all.
pub fn api(kind: Kind, cluster: &Cluster, all_namespaces: bool) -> Api<Salvaged> {
    let client = cluster.client.clone();
    let resource = ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.as_str().to_owned(),
        plural: kind.plural().to_owned(),
    };
    if all_namespaces {
        Api::all_with(client, &resource)
    } else {
        Api::namespaced_with(client, &cluster.namespace, &resource)
    }
}

/// An object of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
}

impl FromStr for Reference {
    type Err = Error;

    /// `KIND/NAME`; without a kind an AgentRuntime is meant.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (kind, name) = match text.split_once('/') {
            Some((word, name)) => (Kind::meant_by(word).ok_or_else(|| Error::Usage(format!(
                "{word:?} is not a kind of agentcore.dev: use runtime/NAME, endpoint/NAME or session/NAME"
            )))?, name),
            None => (Kind::AgentRuntime, text),
        };
        if name.is_empty() || name.contains('/') {
            return Err(Error::Usage(format!(
                "{text:?} is not a name: use NAME or KIND/NAME"
            )));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

impl Reference {
    /// Reads the object. A name that is not there is answered with one that is alike.
    pub async fn get(&self, cluster: &Cluster) -> Result<DynamicObject, Error> {
        match api(self.kind, cluster, false).get_opt(&self.name).await {
            Ok(Some(object)) => Ok(object.0),
            // A missing kind looks like a missing object; the list that names are looked for in tells them apart.
            Ok(None) => Err(self.missing(cluster).await),
            Err(error) => Err(refusals::of_kind(&error, "get", self.kind, cluster)),
        }
    }

    async fn missing(&self, cluster: &Cluster) -> Error {
        let mut known = Vec::new();
        for kind in Kind::ALL {
            match list(kind, cluster, false).await {
                Ok(objects) => known.extend(objects.iter().map(|object| Self {
                    kind,
                    name: object.name_any(),
                })),
                Err(error) if kind == self.kind => return error,
                Err(_) => {}
            }
        }
        self.not_found(&cluster.namespace, &known)
    }

    /// Says that the object is not there, and which one may be meant.
    pub fn not_found(&self, namespace: &str, known: &[Self]) -> Error {
        let mut text = format!(
            "{} {:?} not found in namespace {namespace}",
            self.kind.as_str(),
            self.name
        );
        let same_name = known
            .iter()
            .find(|other| other.name == self.name && other.kind != self.kind);
        let names = known.iter().filter(|other| other.kind == self.kind);
        let hint = same_name
            .or_else(|| alike(&self.name, names, |other| &other.name))
            .map_or_else(
                || {
                    "choose another namespace with -n; kubectl agentcore status -A lists all"
                        .to_owned()
                },
                |other| {
                    let shown = if other.kind == Kind::AgentRuntime {
                        other.name.clone()
                    } else {
                        other.to_string()
                    };
                    format!("did you mean {shown}?")
                },
            );
        text.push_str("; ");
        text.push_str(&hint);
        Error::NotFound(text)
    }
}

/// The item whose name is most like a text, if any is.
pub fn alike<'a, T>(
    text: &str,
    items: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&'a T) -> &'a str,
) -> Option<&'a T> {
    items
        .into_iter()
        .map(|item| (strsim::jaro_winkler(text, name(item)), item))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, item)| item)
}

/// Every object of a kind, page by page.
pub async fn list(
    kind: Kind,
    cluster: &Cluster,
    all_namespaces: bool,
) -> Result<Vec<DynamicObject>, Error> {
    let objects = pages(&api(kind, cluster, all_namespaces), &ListParams::default())
        .await
        .map_err(|error| refusals::of_kind(&error, "list", kind, cluster))?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

/// Every object that the parameters choose, page by page.
pub async fn pages<K>(api: &Api<K>, params: &ListParams) -> kube::Result<Vec<K>>
where
    K: Clone + serde::de::DeserializeOwned + fmt::Debug,
{
    let mut objects = Vec::new();
    let mut next = None;
    loop {
        let mut params = params.clone().limit(PAGE);
        params.continue_token = next.take();
        let page = api.list(&params).await?;
        objects.extend(page.items);
        next = page.metadata.continue_.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(objects);
        }
    }
}

/// A text in an object, by JSON pointer.
pub fn text<'a>(object: &'a DynamicObject, pointer: &str) -> Option<&'a str> {
    object.data.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_alone_is_a_runtime_and_kinds_are_known_by_all_their_names() {
        assert_eq!(reference("support").kind, Kind::AgentRuntime);
        for text in [
            "endpoint/a",
            "aep/a",
            "AgentEndpoint/a",
            "agentendpoints.agentcore.dev/a",
        ] {
            assert_eq!(reference(text), reference("endpoints/a"), "{text}");
        }
        for text in ["pod/a", "endpoint/", "", "a/b/c"] {
            assert!(
                matches!(text.parse::<Reference>(), Err(Error::Usage(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_name_is_answered_with_the_one_that_is_meant() {
        let known = [
            reference("support"),
            reference("billing"),
            reference("endpoint/live"),
        ];
        let says = |text: &str| reference(text).not_found("team-a", &known).to_string();
        assert!(
            says("suport").ends_with("did you mean support?"),
            "{}",
            says("suport")
        );
        assert!(
            says("live").ends_with("did you mean endpoint/live?"),
            "{}",
            says("live")
        );
        assert!(says("xyz").contains("status -A"), "{}", says("xyz"));
    }
}
