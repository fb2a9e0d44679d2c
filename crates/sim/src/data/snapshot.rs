//! What platform V2 does before a version is READY: its agent is started once, has to answer `/ping`, and gets its warm-up hook. Here nothing of
//! it is kept: sessions start programs of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::keeper;
use super::process::Running;
use super::session::{EndReason, Session};
use crate::state::endpoint::DEFAULT_ENDPOINT;
use crate::state::lookup::Target;
use crate::state::runtime::Snapshot;
use crate::state::transitions::verdict;
use crate::state::world::App;

/// Starts the agents of all versions of an account and region that want a snapshot. What cannot run for another reason fails by that.
pub fn begin(app: &Arc<App>, account: &str, region: &str) {
    let now = app.now();
    let mut wanted = Vec::new();
    {
        let mut world = app.world.lock();
        if !world.settings.snapshots {
            return;
        }
        let view = world.view(account, region, now);
        for runtime in view.part.runtimes.values_mut() {
            let Some(mut newest) = runtime.versions.last_entry() else {
                continue;
            };
            let version = newest.get_mut();
            if version.snapshot != Snapshot::Wanted {
                continue;
            }
            let image = verdict(&version.config, account, view.settings, view.images);
            let Ok(Some(image)) = image else {
                version.snapshot = Snapshot::None;
                continue;
            };
            version.snapshot = Snapshot::UnderWay;
            wanted.push(Target {
                runtime_arn: runtime.arn.clone(),
                runtime_id: runtime.id.clone(),
                endpoint: DEFAULT_ENDPOINT.to_owned(),
                version: version.number,
                config: Arc::clone(&version.config),
                image: Some(image),
            });
        }
    }
    for target in wanted {
        let place = (account.to_owned(), region.to_owned());
        if let Err(error) = app.data.snapshot(app, place.clone(), target.clone()) {
            let failed = Err(unhealthy(error.message()));
            done(app, &place, &target, failed);
        }
    }
}

/// Looks at the agent until its snapshot could be taken, then ends it.
pub async fn take(app: Arc<App>, session: Arc<Session>, mut running: Running) {
    let result = match keeper::first_answer(&app, &session, &mut running).await {
        Err((EndReason::Shutdown, _)) => Ok(()),
        Err((_, error)) => Err(unhealthy(error.message())),
        Ok(()) => warm_up(&app, &session, &mut running).await,
    };
    if let Ok(watchdog) = app.data.watchdog() {
        // A microVM that is frozen is told nothing.
        running.end(Duration::ZERO, watchdog).await;
    }
    app.data.snapshot_ends(&session);
    done(&app, &session.place, &session.born, result);
}

async fn warm_up(app: &App, session: &Session, running: &mut Running) -> Result<(), String> {
    let Some(path) = session.born.config.warmup() else {
        return Ok(());
    };
    let limit = app.world.lock().settings.init_timeout_seconds;
    let url = format!("http://127.0.0.1:{}{path}", session.port);
    let call = app.data.http().post(url).send();
    let failed = |why: String| {
        Err(format!(
            "Warmup hook POST {path} failed: {why}. Please check your CloudWatch logs for more information."
        ))
    };
    tokio::select! {
        biased;
        _ = running.child.wait() => failed("the agent ended".to_owned()),
        _ = session.asked_to_end() => Ok(()),
        answer = timeout(Duration::from_secs(limit), call) => match answer {
            Err(_) => failed(format!("no answer within {limit}s")),
            Ok(Err(_)) => failed("the agent broke off".to_owned()),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => failed(format!("it answered {}", answer.status().as_u16())),
        },
    }
}

fn unhealthy(why: &str) -> String {
    format!("Runtime health check failed or timed out: {why}")
}

fn done(app: &App, place: &(String, String), target: &Target, result: Result<(), String>) {
    let now = app.now();
    let mut world = app.world.lock();
    let view = world.view(&place.0, &place.1, now);
    let runtime = view.part.runtimes.get_mut(&target.runtime_id);
    if let Some(version) = runtime.and_then(|runtime| runtime.versions.get_mut(&target.version)) {
        version.snapshot = Snapshot::Done(result);
    }
}
