//! Stays with a session from its start to its end.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::health::{Health, ping};
use super::process::{self, Running};
use super::session::{EndReason, Phase, Session};
use super::watchdog::Watchdog;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// Between two looks at an agent that is starting.
const START_PING: Duration = Duration::from_millis(20);
/// How long agents may take to end when the simulator stops; nobody waits for their answers then.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Starts the program of a session.
///
/// # Errors
/// As [`process::start`].
pub fn start(app: &Arc<App>, session: &Session, watchdog: &Watchdog) -> io::Result<Running> {
    let running = process::start(app, session, watchdog)?;
    session.set_process(running.pid, running.folder());
    Ok(running)
}

/// Waits for the agent's first answer, then for the session's end, then for its process to go.
pub async fn keep(app: Arc<App>, session: Arc<Session>, mut running: Running) {
    tracing::info!(
        session = session.key.id,
        version = session.born.version,
        pid = running.pid,
        "session begins"
    );
    let reason = match first_answer(&app, &session, &mut running).await {
        Ok(()) => {
            session.phase.send_replace(Phase::Ready);
            outlive(&app, &session, &mut running).await
        }
        Err((reason, error)) => {
            if reason == EndReason::Exited {
                // The error says to look into the log.
                running.last_words().await;
            }
            app.data.end(&session, app.now(), reason);
            session.phase.send_replace(Phase::Failed(error));
            reason
        }
    };
    app.data.end(&session, app.now(), reason);
    let grace = match reason {
        EndReason::Shutdown => SHUTDOWN_GRACE,
        _ => Duration::from_secs(app.world.lock().settings.stop_grace_seconds),
    };
    tracing::info!(
        session = session.key.id,
        pid = running.pid,
        ?reason,
        "session ends"
    );
    if let Ok(watchdog) = app.data.watchdog() {
        running.end(grace, watchdog).await;
    }
    session.set_exited(app.now());
}

/// Waits until the agent can be spoken to.
pub(super) async fn first_answer(
    app: &App,
    session: &Session,
    running: &mut Running,
) -> Result<(), (EndReason, ApiError)> {
    let (cold_start, limit, own_port) = {
        let settings = &app.world.lock().settings;
        (
            Duration::from_millis(settings.cold_start_ms),
            settings.init_timeout_seconds,
            settings.protocol_port_override,
        )
    };
    // The platform looks for the agent at its protocol's port, while it listens at the one that it was told.
    let missed = !own_port && session.born.config.other_port().is_some();
    let not_before = Instant::now() + cold_start;
    let answers = async {
        while missed || ping(app.data.http(), session, false).await == Health::Silent {
            sleep(START_PING).await;
        }
        sleep_until(not_before).await;
    };
    let failed = |reason, text: String| Err((reason, ApiError::new("RuntimeClientError", text)));
    tokio::select! {
        // A program that has ended has not answered, whoever may have.
        biased;
        status = running.child.wait() => failed(EndReason::Exited, exit_text(status)),
        reason = session.asked_to_end() => failed(reason, "the session was ended while it started".to_owned()),
        answered = timeout(Duration::from_secs(limit), answers) => match answered {
            Ok(()) => Ok(()),
            Err(_) => failed(EndReason::InitTimeout, format!(
                "Runtime initialization time exceeded. Please make sure that initialization completes in {limit}s."
            )),
        },
    }
}

fn exit_text(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => {
            format!("Runtime ended during its initialization ({status}). Please check its log.")
        }
        Err(error) => format!("Runtime ended during its initialization: {error}"),
    }
}

/// Waits until the session is to end, and returns why.
async fn outlive(app: &Arc<App>, session: &Arc<Session>, running: &mut Running) -> EndReason {
    tokio::select! {
        _ = running.child.wait() => EndReason::Exited,
        reason = session.asked_to_end() => reason,
        reason = time_is_up(app, session) => reason,
    }
}

/// Pings the agent and waits until it has been idle for too long, or has lived long enough, or has lost its endpoint.
async fn time_is_up(app: &Arc<App>, session: &Arc<Session>) -> EndReason {
    loop {
        let (every, requires_time, requests_keep) = {
            let settings = &app.world.lock().settings;
            (
                Duration::from_millis(settings.ping_every_ms.max(10)),
                settings.ping_requires_time,
                settings.request_keeps_alive,
            )
        };
        let (due, _) = session.due(requests_keep);
        tokio::select! {
            () = app.clock.sleep_until(due) => {}
            // From here on idleness counts, perhaps from a long way back.
            () = session.released.notified() => continue,
            () = sleep(every) => {}
        }
        // Asked right before it is judged, so that work in the background is seen also when the clock has jumped.
        if ping(app.data.http(), session, requires_time).await == Health::Busy {
            session.busy(app.now());
        }
        if let Some(reason) = app.data.end_if_due(session, app.now(), requests_keep) {
            return reason;
        }
        if is_orphan(app, session) {
            return EndReason::Deleted;
        }
    }
}

/// Whether the session's runtime or endpoint is gone.
fn is_orphan(app: &App, session: &Session) -> bool {
    let now = app.now();
    let (account, region) = &session.place;
    app.world
        .lock()
        .view(account, region, now)
        .target(&session.key.runtime_arn, Some(&session.key.endpoint))
        .is_err()
}
