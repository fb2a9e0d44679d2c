//! Ctrl-C: it ends the program, unless a verb has a better use for it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a verb looks after Ctrl-C itself.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// Waits for a Ctrl-C that is to end the program.
pub async fn interrupted() {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nobody can be heard: the verb ends by itself, or by the signal's own effect.
            std::future::pending::<()>().await;
        }
        if !CLAIMED.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// As long as it lives, Ctrl-C is the business of who holds it.
pub struct Claim(());

impl Claim {
    /// Takes Ctrl-C over.
    pub fn new() -> Self {
        CLAIMED.store(true, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.store(false, Ordering::SeqCst);
    }
}
