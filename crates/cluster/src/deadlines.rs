//! Deadlines of requests to the API server. A connection whose other end has silently gone looks like one on which nothing happens:
//! only a clock tells them apart.
//!
//! Every request ends in time, its answer included. A watch has no end, so it is begun anew every 20 s, which costs the server next to nothing:
//! it goes on where the last one ended. One that does not even end is ended here.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::{Method, Request, Response};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout_at};
use tower::{BoxError, Layer, Service};

/// The server ends a watch after so many seconds.
const WATCH_SECONDS: u64 = 20;
/// A watch on which nothing came for this long is dead: the server should have ended it.
const WATCH_IDLE: Duration = Duration::from_secs(WATCH_SECONDS + 4);

/// How long one kind of request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the request to the head of its answer.
    head: Duration,
    /// Between two pieces of the answer.
    idle: Duration,
    /// From the request to the answer's end; `None`: a watch.
    total: Option<Duration>,
}

const fn limits(head: u64, idle: u64, total: u64) -> Limits {
    Limits {
        head: Duration::from_secs(head),
        idle: Duration::from_secs(idle),
        total: Some(Duration::from_secs(total)),
    }
}

/// Of leases: a renewal that takes longer is worth nothing.
const LEASE: Limits = limits(4, 4, 4);
/// Of one object.
const READ: Limits = limits(10, 10, 15);
/// Of a page of a list, for which the server may have to read a lot.
const LIST: Limits = limits(20, 10, 60);
/// Of changes, for which the server may have to ask admission webhooks.
const WRITE: Limits = limits(20, 10, 20);
/// Of a watch.
const WATCH: Limits = Limits {
    head: Duration::from_secs(10),
    idle: WATCH_IDLE,
    total: None,
};

/// The API server did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("nothing came within {} s", .0.as_secs())]
pub struct Late(Duration);

/// Gives every request a deadline.
#[derive(Clone, Copy, Debug)]
pub enum Deadlines {
    /// By what the request is.
    ByKind,
    /// 4 s each: for leases.
    Leases,
    /// The same for all, so that tests need not wait.
    #[cfg(test)]
    Fixed(Limits),
}

impl<S> Layer<S> for Deadlines {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed {
            inner,
            deadlines: *self,
        }
    }
}

impl Deadlines {
    fn of<B>(self, request: &Request<B>) -> Limits {
        match self {
            Self::ByKind => {}
            Self::Leases => return LEASE,
            #[cfg(test)]
            Self::Fixed(limits) => return limits,
        }
        match *request.method() {
            Method::GET if is_watch(request.uri()) => WATCH,
            Method::GET if is_list(request.uri()) => LIST,
            Method::GET => READ,
            _ => WRITE,
        }
    }
}

/// A service whose answers come in time, or not at all.
#[derive(Clone, Debug)]
pub struct Timed<S> {
    inner: S,
    deadlines: Deadlines,
}

impl<S, Q, B> Service<Request<Q>> for Timed<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<TimedBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let limits = self.deadlines.of(&request);
        if limits == WATCH {
            *request.uri_mut() = shorter(request.uri());
        }
        let began = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(answer) = timeout_at(began + limits.head, answer).await else {
                return Err(Late(limits.head).into());
            };
            let answer = answer.map_err(Into::into)?;
            Ok(answer.map(|body| TimedBody::new(body, limits, began)))
        })
    }
}

/// An answer's body that ends in time.
pub struct TimedBody<B> {
    inner: Pin<Box<B>>,
    idle: Pin<Box<Sleep>>,
    total: Option<Pin<Box<Sleep>>>,
    limits: Limits,
}

impl<B> TimedBody<B> {
    fn new(body: B, limits: Limits, began: Instant) -> Self {
        Self {
            inner: Box::pin(body),
            idle: Box::pin(sleep(limits.idle)),
            total: limits
                .total
                .map(|total| Box::pin(sleep_until(began + total))),
            limits,
        }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(total) = &mut self.total
            && total.as_mut().poll(context).is_ready()
        {
            let late = self.limits.total.unwrap_or_default();
            return Poll::Ready(Some(Err(Late(late).into())));
        }
        // What has come counts first: a reader that was busy for long finds it.
        if let Poll::Ready(frame) = self.inner.as_mut().poll_frame(context) {
            let next = Instant::now() + self.limits.idle;
            self.idle.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.idle.as_mut().poll(context));
        if self.limits.total.is_none() {
            // The end of a watch, as if the server had ended it: it goes on from where it was, without a pause.
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Err(Late(self.limits.idle).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn pairs(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_watch(uri: &Uri) -> bool {
    pairs(uri).any(|pair| matches!(pair, ("watch", "true" | "1")))
}

/// Whether it names a kind and no object: `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/KIND`.
fn is_list(uri: &Uri) -> bool {
    let mut path = uri.path().split('/').filter(|part| !part.is_empty());
    let before = match path.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return false,
    };
    let rest: Vec<_> = path.skip(before).collect();
    matches!(rest.as_slice(), [_] | ["namespaces", _, _])
}

/// A watch that the server ends soon. One that begins with all objects may need longer for these; it ends when it has fallen silent.
fn shorter(uri: &Uri) -> Uri {
    if pairs(uri).any(|(name, _)| name == "sendInitialEvents") {
        return uri.clone();
    }
    let kept = pairs(uri).filter(|(name, _)| !name.is_empty() && *name != "timeoutSeconds");
    let mut query: Vec<_> = kept
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    query.push(format!("timeoutSeconds={WATCH_SECONDS}"));
    let mut parts = uri.clone().into_parts();
    let Ok(path) = format!("{}?{}", uri.path(), query.join("&")).parse() else {
        return uri.clone();
    };
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
