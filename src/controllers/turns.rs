//! How many passes work at a time. One that waits for AWS does not count: objects by the hundred may wait for AWS's rate limits, and an
//! edited one goes past them.

use std::future::Future;

use tokio::sync::{Mutex, watch};

/// Passes that work at a time. Each holds its object several times over, and their requests to the API server are at most half as many
/// (`cluster::client`).
const AT_ONCE: usize = 64;

/// The turns of all passes; first come, first served.
#[derive(Debug)]
pub struct Turns {
    /// Passes that work; more than [`AT_ONCE`] while some that come back from AWS are among them.
    working: watch::Sender<usize>,
    /// Whose turn is next; tokio's mutex is fair.
    next: Mutex<()>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            working: watch::Sender::new(0),
            next: Mutex::default(),
        }
    }
}

impl Turns {
    /// Waits until a pass may begin.
    pub async fn begin(&self) -> Turn<'_> {
        let _next = self.next.lock().await;
        let mut working = self.working.subscribe();
        // Fails only when the sender is gone, and this has it.
        let _ = working.wait_for(|working| *working < AT_ONCE).await;
        let mut turn = Turn {
            working: &self.working,
            works: false,
        };
        turn.resume();
        turn
    }
}

/// A pass that has begun, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    working: &'a watch::Sender<usize>,
    /// Whether it counts.
    works: bool,
}

impl Turn<'_> {
    /// Waits for something without counting as working; goes on at once when it is there, before those that have not begun.
    pub async fn aside<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        self.rest();
        let found = waiting.await;
        self.resume();
        found
    }

    fn rest(&mut self) {
        if std::mem::take(&mut self.works) {
            self.working.send_modify(|working| *working -= 1);
        }
    }

    fn resume(&mut self) {
        self.works = true;
        self.working.send_modify(|working| *working += 1);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.rest();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;
    use tokio::sync::oneshot;

    use super::*;

    async fn all(turns: &Turns) -> Vec<Turn<'_>> {
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.begin().await);
        }
        // Tokio lets a task do only so much at a time; what follows polls by hand.
        tokio::task::yield_now().await;
        taken
    }

    #[tokio::test]
    async fn only_so_many_work_and_the_next_begins_when_one_ends() {
        let turns = Turns::default();
        let mut taken = all(&turns).await;
        let mut next = Box::pin(turns.begin());
        assert!(poll!(&mut next).is_pending());
        taken.pop();
        assert!(poll!(&mut next).is_ready());
    }

    #[tokio::test]
    async fn one_that_waits_for_aws_lets_another_begin_and_comes_back_without_waiting() {
        let turns = Turns::default();
        let mut taken = all(&turns).await;
        let (answer, answered) = oneshot::channel();
        let mut one = taken.remove(0);
        let mut aside = Box::pin(one.aside(answered));
        assert!(poll!(&mut aside).is_pending());
        taken.push(turns.begin().await);
        answer.send("answer").expect("somebody waits");
        assert_eq!(poll!(&mut aside), Poll::Ready(Ok("answer")));
        drop(aside);
        // One too many works now: two have to end before the next begins.
        let mut next = Box::pin(turns.begin());
        taken.pop();
        assert!(poll!(&mut next).is_pending());
        drop(one);
        assert!(poll!(&mut next).is_ready());
    }

    #[tokio::test]
    async fn one_that_is_dropped_while_it_waits_is_not_counted_twice() {
        let turns = Turns::default();
        let mut one = turns.begin().await;
        let mut aside = Box::pin(one.aside(std::future::pending::<()>()));
        assert!(poll!(&mut aside).is_pending());
        drop(aside);
        drop(one);
        assert_eq!(*turns.working.borrow(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_place_to_the_next() {
        let turns = Turns::default();
        let mut taken = all(&turns).await;
        let mut first = Box::pin(turns.begin());
        let mut second = Box::pin(turns.begin());
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        drop(first);
        taken.pop();
        assert!(poll!(&mut second).is_ready());
    }
}
