use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use tower::{ServiceExt as _, service_fn};

use super::*;

fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).expect("a request")
}

#[test]
fn each_kind_of_request_has_its_limits() {
    let kinds = [
        ("/api/v1/namespaces/kube-system", READ),
        ("/api/v1/namespaces", LIST),
        ("/api/v1/namespaces?watch=true&timeoutSeconds=290", WATCH),
        ("/api/v1/namespaces/a/secrets/keys", READ),
        ("/api/v1/namespaces/a/secrets?limit=100", LIST),
        ("/apis/agentcore.dev/v1alpha1/agentruntimes?", LIST),
        (
            "/apis/agentcore.dev/v1alpha1/namespaces/a/agentruntimes",
            LIST,
        ),
        (
            "/apis/agentcore.dev/v1alpha1/namespaces/a/agentruntimes/b",
            READ,
        ),
        (
            "/apis/agentcore.dev/v1alpha1/agentruntimes?&watch=true",
            WATCH,
        ),
        ("/version", READ),
    ];
    for (path, limits) in kinds {
        assert_eq!(Deadlines::ByKind.of(&get(path)), limits, "{path}");
        assert_eq!(Deadlines::Leases.of(&get(path)), LEASE, "{path}");
    }
    let post = Request::post("/api/v1/namespaces/a/events").body(());
    assert_eq!(Deadlines::ByKind.of(&post.expect("a request")), WRITE);
}

#[test]
fn a_watch_is_ended_by_the_server_soon() {
    let uri = |text: &str| text.parse::<Uri>().expect("an address");
    let watch = uri(
        "/api/v1/secrets?&watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion=7",
    );
    assert_eq!(
        shorter(&watch),
        uri(
            "/api/v1/secrets?watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=20"
        )
    );
    // A list that streams may take as long as it comes.
    let list = uri("/api/v1/secrets?watch=true&timeoutSeconds=290&sendInitialEvents=true");
    assert_eq!(shorter(&list), list);
}

/// A service that answers with these pieces and then falls silent.
fn silent_after(
    pieces: &'static [&'static str],
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError>>,
    Error = BoxError,
    Future: Send + 'static,
> {
    service_fn(move |_: Request<()>| async move {
        let pieces = futures::stream::iter(pieces)
            .map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        Ok::<_, BoxError>(Response::new(StreamBody::new(
            pieces.chain(futures::stream::pending()),
        )))
    })
}

const SHORT: Duration = Duration::from_millis(50);
/// Of a request that gets no answer in time.
const HASTY: Deadlines = Deadlines::Fixed(Limits {
    head: SHORT,
    idle: SHORT,
    total: Some(Duration::from_mins(1)),
});

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let never = service_fn(|_: Request<()>| async {
        std::future::pending::<Result<Response<http_body_util::Full<Bytes>>, BoxError>>().await
    });
    let service = HASTY.layer(never);
    let error = service.oneshot(get("/api/v1/namespaces/a")).await;
    assert!(error.err().expect("late").is::<Late>());
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_an_error() {
    let service = HASTY.layer(silent_after(&["{\"items\":["]));
    let answer = service.oneshot(get("/api/v1/namespaces/a")).await;
    let body = answer.expect("a head").into_body();
    let error = body.collect().await.expect_err("late");
    assert!(error.is::<Late>(), "{error}");
}

#[tokio::test]
async fn a_watch_that_falls_silent_ends_as_if_the_server_had_ended_it() {
    let watch = Limits {
        idle: SHORT,
        ..WATCH
    };
    let service = Deadlines::Fixed(watch).layer(silent_after(&["{}\n", "{}\n"]));
    let answer = service.oneshot(get("/api/v1/secrets?watch=true")).await;
    let body = answer.expect("a head").into_body();
    let whole = body.collect().await.expect("an end").to_bytes();
    assert_eq!(&whole[..], b"{}\n{}\n");
}
