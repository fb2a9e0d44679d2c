//! `/ping`: whether the agent is healthy, whether it works in the background, and since when.
//!
//! The answer comes from a counter and never waits for a turn. The time moves only when the status
//! does: AgentCore reads it to tell an agent that is at work from one that hangs.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::agent::Agent;

/// The two answers that AgentCore keeps a session for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Ready for a turn; may be ended when idle.
    Healthy,
    /// At work in the background; must not be ended as idle.
    HealthyBusy,
}

/// The body of a ping answer.
#[derive(Debug, Serialize)]
pub struct Ping {
    status: Status,
    /// Unix seconds of the last change of `status`.
    time_of_last_update: i64,
}

/// Counts background tasks and remembers when the status last changed.
#[derive(Debug)]
pub struct Health {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    tasks: u64,
    changed_at: i64,
}

impl Inner {
    fn status(&self) -> Status {
        if self.tasks == 0 {
            Status::Healthy
        } else {
            Status::HealthyBusy
        }
    }

    fn set_tasks(&mut self, tasks: u64, now: i64) {
        let before = self.status();
        self.tasks = tasks;
        if self.status() != before {
            self.changed_at = now;
        }
    }
}

impl Health {
    /// Healthy since now.
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                tasks: 0,
                changed_at: now(),
            }),
        }
    }

    /// Counts one background task more.
    pub fn task_began(&self) {
        let mut inner = self.inner.lock();
        let tasks = inner.tasks + 1;
        inner.set_tasks(tasks, now());
    }

    /// Counts one background task less.
    pub fn task_ended(&self) {
        let mut inner = self.inner.lock();
        let tasks = inner.tasks.saturating_sub(1);
        inner.set_tasks(tasks, now());
    }

    fn ping(&self) -> Ping {
        let inner = self.inner.lock();
        Ping {
            status: inner.status(),
            time_of_last_update: inner.changed_at,
        }
    }
}

/// GET /ping.
pub async fn answer(State(agent): State<Agent>) -> Json<Ping> {
    Json(agent.health().ping())
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_with_the_status_and_not_with_the_number_of_tasks() {
        let mut inner = Inner {
            tasks: 0,
            changed_at: 10,
        };
        inner.set_tasks(1, 20);
        assert_eq!(
            (inner.status(), inner.changed_at),
            (Status::HealthyBusy, 20)
        );
        inner.set_tasks(2, 30);
        inner.set_tasks(1, 40);
        assert_eq!(
            (inner.status(), inner.changed_at),
            (Status::HealthyBusy, 20)
        );
        inner.set_tasks(0, 50);
        assert_eq!((inner.status(), inner.changed_at), (Status::Healthy, 50));
    }
}
