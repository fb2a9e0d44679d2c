//! `agentcore-operator check`: whether an installation works, as `helm test` asks. It changes nothing and needs no rights beyond those that
//! every account of a cluster has.

mod args;
mod grants;
mod objects;

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::http::{Request, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::core::CustomResourceExt as _;
use tokio::time::{Instant, sleep, timeout};

use agentcore_api::{AgentEndpoint, AgentGrant, AgentRuntime, AgentSession};
use agentcore_cluster::client;
use agentcore_cluster::errors::told;

pub use args::{CheckArgs, GrantsArgs};

/// Between two looks at what is not there yet.
const EVERY: Duration = Duration::from_millis(500);
/// Longest wait for one answer.
const ONE_ANSWER: Duration = Duration::from_secs(5);

/// Checks one after the other and prints a line for each; fails if any did.
///
/// # Errors
/// When something is not as it should be once the time is over. The error counts them; the lines say what they are.
pub async fn run(args: CheckArgs) -> anyhow::Result<()> {
    if args.grants.grants {
        return grants::print(&args.grants).await;
    }
    if args.no_objects {
        return objects::none_left(&args.watch.namespaces).await;
    }
    let deadline = Instant::now() + args.timeout;
    let http = HttpClient::builder(TokioExecutor::new()).build_http::<Body>();
    let mut failed = 0;
    let served = until(deadline, kinds_are_served).await;
    failed += usize::from(!report("the API server serves all kinds", &served));
    for url in &args.ready_urls {
        let ready = until(deadline, || is_ready(&http, url)).await;
        failed += usize::from(!report(format_args!("{url} says ready"), &ready));
    }
    ensure!(
        failed == 0,
        "{failed} of {} checks failed",
        args.ready_urls.len() + 1
    );
    Ok(())
}

/// Prints the outcome of one check; says whether it is good.
fn report(what: impl Display, outcome: &anyhow::Result<()>) -> bool {
    match outcome {
        Ok(()) => println!("ok: {what}"),
        Err(error) => println!("failed: {what}: {}", told(error.as_ref())),
    }
    outcome.is_ok()
}

/// Looks until it is true or time is over, and at least once; the last failure explains itself.
async fn until(
    deadline: Instant,
    mut look: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        let outcome = timeout(ONE_ANSWER, look())
            .await
            .unwrap_or_else(|_| bail!("no answer within {ONE_ANSWER:?}"));
        if outcome.is_ok() || Instant::now() + EVERY > deadline {
            return outcome;
        }
        sleep(EVERY).await;
    }
}

/// The API server lists our kinds, which it does once their definitions are established.
async fn kinds_are_served() -> anyhow::Result<()> {
    let kube: Client = client::connect().await?;
    let kinds = [
        AgentRuntime::crd(),
        AgentEndpoint::crd(),
        AgentSession::crd(),
        AgentGrant::crd(),
    ];
    for definition in kinds {
        let name = definition.metadata.name.unwrap_or_default();
        for version in definition.spec.versions.iter().filter(|one| one.served) {
            let group = format!("{}/{}", definition.spec.group, version.name);
            let served = kube
                .list_api_group_resources(&group)
                .await
                .with_context(|| format!("cannot list {group}: are the definitions installed?"))?;
            let plural = &definition.spec.names.plural;
            ensure!(
                served.resources.iter().any(|one| one.name == *plural),
                "{name} is not served: install it (crds.enabled, or kubectl apply --server-side -f crds/)"
            );
        }
    }
    Ok(())
}

/// The address answers 200.
async fn is_ready(http: &HttpClient<HttpConnector, Body>, url: &Uri) -> anyhow::Result<()> {
    let request = Request::get(url)
        .body(Body::empty())
        .context("cannot make a request")?;
    let status = http
        .request(request)
        .await
        .context("cannot be reached: is a pod ready, and do network policies let this one in?")?
        .status();
    ensure!(status.is_success(), "it answers {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::routing::get;

    /// An address that answers so, on loopback.
    async fn answering(status: StatusCode) -> Uri {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let router = axum::Router::new().route("/readyz", get(move || async move { status }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/readyz").parse().expect("a URL")
    }

    #[tokio::test]
    async fn a_program_is_ready_when_it_answers_200_and_only_then() {
        let http = HttpClient::builder(TokioExecutor::new()).build_http::<Body>();
        let ready = answering(StatusCode::OK).await;
        assert!(is_ready(&http, &ready).await.is_ok());
        let starting = answering(StatusCode::SERVICE_UNAVAILABLE).await;
        let error = is_ready(&http, &starting).await.expect_err("not ready");
        assert!(error.to_string().contains("503"), "{error}");
        let nobody: Uri = "http://127.0.0.1:1/readyz".parse().expect("a URL");
        assert!(is_ready(&http, &nobody).await.is_err());
    }

    #[tokio::test]
    async fn it_looks_again_until_time_is_over_and_then_says_what_was_wrong() {
        let mut looks = 0;
        let second = until(Instant::now() + Duration::from_mins(1), async || {
            looks += 1;
            ensure!(looks > 1, "not yet");
            Ok(())
        });
        assert!(second.await.is_ok());
        assert_eq!(looks, 2);
        let never = until(Instant::now(), async || bail!("a reason"));
        assert_eq!(never.await.expect_err("never").to_string(), "a reason");
    }
}
