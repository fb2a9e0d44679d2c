//! Credentials, renewed before they end: by one task at a time, without a storm when that fails.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::identity::Identity;
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::error::flat;
use crate::retry::jittered;
use crate::sigv4_fast::Keys;

/// Credentials are renewed this long before they end, or when a third of their life is left if that is later.
const AHEAD: Duration = Duration::from_mins(5);
/// Until a provider must have answered.
const LOAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Shortest and longest time that a failure is remembered; it doubles with each.
const MEMORY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Rejections further apart than this have nothing to do with each other.
const REJECTIONS_APART: Duration = Duration::from_mins(1);

/// Why there are no credentials. The text holds the causes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no AWS credentials: {0}")]
pub struct CredentialsError(String);

/// The credentials of whoever runs this, cached. Clones share the cache.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    provider: SharedCredentialsProvider,
    current: ArcSwapOption<Loaded>,
    state: Mutex<State>,
    /// Counts the loads that ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    loading: bool,
    /// Failures since the last success.
    failures: u32,
    /// The last of them, and until when it stands for the answer.
    failed: Option<(Instant, CredentialsError)>,
    /// Rejections in a row, and the last.
    rejections: u32,
    rejected: Option<Instant>,
    loaded: Option<Instant>,
}

/// Credentials and when they are to be renewed.
#[derive(Debug)]
pub struct Loaded {
    pub credentials: aws_credential_types::Credentials,
    /// The same in the form that the signer takes.
    pub identity: Identity,
    /// Signing keys made from them.
    pub keys: Keys,
    renew: Option<SystemTime>,
}

impl Loaded {
    fn new(credentials: aws_credential_types::Credentials, now: SystemTime) -> Self {
        let renew = credentials.expiry().map(|expiry| {
            let left = expiry.duration_since(now).unwrap_or_default();
            expiry - AHEAD.min(left / 3)
        });
        let identity = Identity::from(credentials.clone());
        Self {
            credentials,
            identity,
            keys: Keys::default(),
            renew,
        }
    }

    fn has_ended(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_some_and(|end| end <= now)
    }
}

impl Credentials {
    /// Credentials from this provider. Nothing is loaded before they are asked for.
    pub fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self(Arc::new(Shared {
            provider: SharedCredentialsProvider::new(provider),
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            ended: watch::Sender::new(0),
        }))
    }

    /// Credentials that have not ended. They come from the cache; callers wait only where there are none that are still good, and then all
    /// for the same load. After a failed load they get its error at once for 1 s, and longer with each failure, up to 30 s.
    pub async fn get(&self) -> Result<aws_credential_types::Credentials, CredentialsError> {
        Ok(self.loaded().await?.credentials.clone())
    }

    pub(crate) async fn loaded(&self) -> Result<Arc<Loaded>, CredentialsError> {
        loop {
            let now = SystemTime::now();
            let current = self.0.current.load_full();
            if let Some(current) = &current {
                if current.renew.is_none_or(|renew| now < renew) {
                    return Ok(current.clone());
                }
                if !current.has_ended(now) {
                    // Its failure is nobody's concern while these serve.
                    let _ = self.load(Some(current));
                    return Ok(current.clone());
                }
            }
            let mut ended = self.load(current.as_ref())?;
            // Only fails when the sender is gone, which this very handle holds.
            let _ = ended.changed().await;
        }
    }

    /// Says that AWS called these credentials expired or unknown. Returns whether others can be had: those that were loaded meanwhile, or
    /// those of a new load. Where AWS rejects one after the other, loads are 1 s apart, and then longer, up to 30 s.
    pub fn forget(&self, rejected: &aws_credential_types::Credentials) -> bool {
        let mut state = self.0.state.lock();
        let current = self.0.current.load_full();
        let Some(current) = current else {
            return true;
        };
        if current.credentials != *rejected {
            return true;
        }
        let now = Instant::now();
        let apart = |last: Instant| now.duration_since(last) > REJECTIONS_APART;
        if state.rejected.is_none_or(apart) {
            state.rejections = 0;
        }
        let since = state.loaded.map(|loaded| now.duration_since(loaded));
        if state.rejections > 0 && since < Some(memory(state.rejections)) {
            return false;
        }
        state.rejections += 1;
        state.rejected = Some(now);
        self.0.current.store(None);
        true
    }

    /// Begins a load unless one is under way, or there is something else than `seen` by now. What it returns changes when a load ends.
    fn load(&self, seen: Option<&Arc<Loaded>>) -> Result<watch::Receiver<u64>, CredentialsError> {
        let mut state = self.0.state.lock();
        let mut ended = self.0.ended.subscribe();
        let current = self.0.current.load_full();
        if current.as_ref().map(Arc::as_ptr) != seen.map(Arc::as_ptr) {
            ended.mark_changed();
            return Ok(ended);
        }
        if !state.loading {
            if let Some((until, error)) = &state.failed
                && Instant::now() < *until
            {
                return Err(error.clone());
            }
            state.loading = true;
            // Of its own, so that it ends even if whoever asked first goes away.
            tokio::spawn(self.clone().finish_load());
        }
        Ok(ended)
    }

    async fn finish_load(self) {
        let provided = std::panic::AssertUnwindSafe(self.provide());
        let result = provided.catch_unwind().await.unwrap_or_else(|_| {
            Err(CredentialsError(
                "the credentials provider panicked".to_owned(),
            ))
        });
        let mut state = self.0.state.lock();
        state.loading = false;
        match result {
            Ok(loaded) => {
                state.failures = 0;
                state.failed = None;
                state.loaded = Some(Instant::now());
                self.0.current.store(Some(Arc::new(loaded)));
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = jittered(memory(state.failures));
                tracing::warn!(%error, retry_in_seconds = wait.as_secs_f32(), "cannot load credentials");
                state.failed = Some((Instant::now() + wait, error));
            }
        }
        self.0.ended.send_modify(|count| *count += 1);
    }

    async fn provide(&self) -> Result<Loaded, CredentialsError> {
        let provided = timeout(LOAD_TIMEOUT, self.0.provider.provide_credentials()).await;
        let credentials = provided
            .map_err(|_| {
                let seconds = LOAD_TIMEOUT.as_secs();
                CredentialsError(format!("the provider did not answer within {seconds} s"))
            })?
            .map_err(|error| CredentialsError(flat(&error)))?;
        let now = SystemTime::now();
        let loaded = Loaded::new(credentials, now);
        if loaded.has_ended(now) {
            let text = "the provider gave some that have already expired";
            return Err(CredentialsError(text.to_owned()));
        }
        Ok(loaded)
    }
}

/// How long the n-th failure in a row is remembered.
fn memory(failures: u32) -> Duration {
    let (first, most) = MEMORY;
    let doublings = failures.saturating_sub(1).min(16);
    (first * 2_u32.pow(doublings)).min(most)
}
