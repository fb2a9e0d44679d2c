//! Objects that are left alone, because they cannot be read or have no room: their status says so, and an Event. Nothing of their spec or status is read
//! for that.

use std::sync::Arc;
use std::time::Duration;

use agentcore_api::conditions::{READY, STALLED};
use agentcore_plan::step::Event;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::ObjectMeta;
use kube::{Api, Resource};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::context::Context;
use agentcore_cluster::errors::told;
use agentcore_cluster::kept::Kept;
use agentcore_cluster::readable::{Head, Why};
use agentcore_cluster::status;
use agentcore_cluster::store::{LeftAlone, Told};

/// Field manager of what is said here: the controllers' own statuses stay under their own.
const FIELD_MANAGER: &str = "agentcore-operator/left-alone";
/// Objects that are written to at a time.
const AT_ONCE: usize = 4;
/// Pauses between attempts.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
];

/// What a watch tells a controller.
pub struct Tell<G> {
    /// Called with each object that went away.
    pub gone: G,
    /// Where objects go that are left alone.
    pub left_alone: UnboundedSender<LeftAlone>,
}

impl<K: Kept, G: Fn(&K) + Send + Sync> Told<K> for Tell<G> {
    fn gone(&self, object: &K) {
        (self.gone)(object);
    }

    fn left_alone(&self, object: LeftAlone) {
        // A closed channel means that the controllers have ended.
        let _ = self.left_alone.send(object);
    }
}

/// Says it of each, for ever.
pub async fn run<K: Kept>(context: Arc<Context>, objects: UnboundedReceiver<LeftAlone>) {
    UnboundedReceiverStream::new(objects)
        .filter(|object| std::future::ready(!object.said))
        .for_each_concurrent(AT_ONCE, |object| say::<K>(&context, object))
        .await;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    conditions: Vec<Condition>,
}

async fn say<K: Kept>(context: &Context, object: LeftAlone) {
    let LeftAlone { metadata, why, .. } = object;
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    let namespace = namespace.unwrap_or_default();
    let name = name.unwrap_or_default();
    tracing::warn!(kind = %K::kind(&()), %namespace, %name, %why, "object skipped");
    let api = Api::<Head<K>>::namespaced(context.kube.clone(), &namespace);
    let status = status(&metadata, &why);
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match status::apply(&api, &metadata, FIELD_MANAGER, &status).await {
            Ok(_) => break,
            // It is gone, or another one of its name is there: that one is looked at by itself.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
            Err(error) => error,
        };
        let Some(pause) = pauses.next() else {
            tracing::warn!(kind = %K::kind(&()), %namespace, %name, error = %told(&error), "cannot report that the object is skipped");
            return;
        };
        tokio::time::sleep(pause).await;
    }
    let event = Event {
        warning: true,
        reason: why.reason(),
        note: why.to_string(),
    };
    let head = Head::<K>::new(metadata);
    context.publish(&head, "Read", vec![event]).await;
}

fn status(metadata: &ObjectMeta, why: &Why) -> Status {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let condition = |type_: &str, status: &str| Condition {
        last_transition_time: Time(now),
        message: why.to_string(),
        observed_generation: metadata.generation,
        reason: why.reason().to_owned(),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    Status {
        observed_generation: metadata.generation,
        conditions: vec![condition(READY, "False"), condition(STALLED, "True")],
    }
}

/// Takes back what was said of an object, once its controller has given its own verdict.
pub async fn release<K>(api: &Api<Head<K>>, object: &ObjectMeta) -> kube::Result<Head<K>>
where
    K: Resource<DynamicType = ()>,
{
    #[derive(Debug, Serialize)]
    struct Nothing {}
    status::apply(api, object, FIELD_MANAGER, &Nothing {}).await
}
