//! Whose runtimes are, judged apart from the planner: no change reaches AWS but to what is ours, by tags that were read in the same pass.

use agentcore_plan::aws::Tags;
use agentcore_plan::guard::Effect;
use agentcore_plan::policy::Policy;
use agentcore_plan::tags::TagsRead;

use super::Aws;
use super::world::World;

/// Keys of the ownership tags, without their prefix.
const KEYS: [&str; 5] = ["cluster", "cluster-uid", "namespace", "name", "uid"];

/// An object that changes something.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub policy: &'a Policy,
    pub name: &'a str,
    pub uid: &'a str,
}

fn tag<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.get(&format!("agentcore.dev/{key}"))
        .map(String::as_str)
}

/// Whether tags let the object change what carries them.
pub fn belongs(tags: &Tags, actor: Actor<'_>) -> bool {
    let cluster = tag(tags, "cluster-uid");
    let policy = actor.policy;
    let is_ours =
        |uid| uid == policy.cluster_uid || policy.former_cluster_uids.iter().any(|one| one == uid);
    if cluster.is_some_and(|uid| !is_ours(uid)) {
        return false;
    }
    let same_name = cluster.is_some()
        && tag(tags, "cluster") == Some("c1")
        && tag(tags, "namespace") == Some("team-a")
        && tag(tags, "name") == Some(actor.name);
    tag(tags, "uid") == Some(actor.uid) || same_name
}

/// Whether tags name an owner that is not this one.
pub fn is_stolen(tags: &Tags, actor: Actor<'_>) -> bool {
    tags.keys().any(|key| key.starts_with("agentcore.dev/")) && !belongs(tags, actor)
}

impl Aws {
    fn arn_of(&self, id: &str) -> Option<&str> {
        let mut found = self.runtimes.iter().filter(|rt| rt.id == id);
        found.next().map(|rt| rt.arn.as_str())
    }

    fn tags_at(&self, arn: &str) -> Option<&Tags> {
        self.runtimes.iter().find_map(|rt| {
            let endpoint = rt.endpoints.iter().find(|ep| ep.arn == arn);
            let own = (rt.arn == arn).then_some(&rt.tags);
            own.or(endpoint.map(|ep| &ep.tags))
        })
    }

    /// What an action changes, if it is there, by its ARN and its tags as they are at this very moment.
    pub fn changed<'a>(&'a self, effect: Effect<'a>) -> Option<(&'a str, &'a Tags)> {
        let arn = match effect {
            Effect::InKubernetes | Effect::Makes => return None,
            Effect::OfRuntime(id) => self.arn_of(id)?,
            Effect::OfArn(arn) => arn,
        };
        Some((arn, self.tags_at(arn)?))
    }
}

impl World {
    /// Stops the test if the action changes what is not the object's, or what it did not read the tags of. `may`: what else is allowed.
    pub fn assert_cleared(
        &self,
        effect: Effect<'_>,
        read: &TagsRead,
        actor: Actor<'_>,
        may: impl FnOnce(&Tags) -> bool,
    ) {
        let Some((arn, tags)) = self.aws.changed(effect) else {
            return;
        };
        let from = self.trace.len().saturating_sub(60);
        let trace = || self.trace[from..].join("\n");
        assert!(
            read.contains_key(arn),
            "{effect:?} without tags:\n{}",
            trace()
        );
        assert!(
            belongs(tags, actor) || may(tags),
            "{effect:?} by {actor:?} of {tags:?}:\n{}",
            trace()
        );
    }

    /// Somebody rewrites tags: those of the runtime, or of its endpoint.
    pub fn steal(&mut self, how: u8) {
        for rt in self
            .aws
            .runtimes
            .iter_mut()
            .filter(|rt| rt.name == "support")
        {
            match how {
                // Another namespace of this cluster.
                0 => {
                    for key in ["namespace", "name", "uid"] {
                        rt.tags
                            .insert(format!("agentcore.dev/{key}"), "thief".into());
                    }
                }
                // Another cluster of the same id, whose object has the same name and UID.
                1 => {
                    let key = "agentcore.dev/cluster-uid".to_owned();
                    rt.tags.insert(key, "cluster-uid-of-a-thief".into());
                }
                2 => rt.tags.retain(|key, _| !key.starts_with("agentcore.dev/")),
                _ => {
                    for ep in &mut rt.endpoints {
                        for key in KEYS {
                            ep.tags
                                .insert(format!("agentcore.dev/{key}"), "thief".into());
                        }
                    }
                }
            }
        }
    }

    /// What was taken is given back to the objects that are there.
    pub fn give_back(&mut self) {
        let runtime = self
            .runtime
            .as_ref()
            .and_then(|one| one.now.metadata.uid.clone());
        let endpoint = self
            .endpoint
            .as_ref()
            .and_then(|one| one.now.metadata.uid.clone());
        let cluster_uid = self.policy.cluster_uid.clone();
        let own = |name: &str, uid: &str| -> Tags {
            let values = ["c1", &cluster_uid, "team-a", name, uid];
            let pairs = KEYS.into_iter().zip(values);
            pairs
                .map(|(key, value)| (format!("agentcore.dev/{key}"), value.to_owned()))
                .collect()
        };
        for rt in self
            .aws
            .runtimes
            .iter_mut()
            .filter(|rt| rt.name == "support")
        {
            if let Some(uid) = &runtime {
                rt.tags.extend(own("support", uid));
            }
            if let Some(uid) = &endpoint {
                for ep in &mut rt.endpoints {
                    ep.tags.extend(own("live", uid));
                }
            }
        }
    }
}
