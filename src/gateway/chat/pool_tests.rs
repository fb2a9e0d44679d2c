//! The pool with a small limit, and an agent that answers all but `hold`.

use agentcore_invoke::{Credentials, DataPlane, Settings};
use futures::SinkExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_mins(1);

struct Stage {
    pool: Pool,
    gauge: IntGauge,
    target: Target,
}

impl Stage {
    async fn new(limit: usize, idle: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(agent(stream));
            }
        });
        let keys = aws_credential_types::Credentials::new("id", "secret", None, None, "test");
        let data_plane = DataPlane::at(&url).expect("an address");
        let client = Client::new(data_plane, Credentials::new(keys), Settings::default());
        let gauge = IntGauge::new("sockets", "Sockets.").expect("a gauge");
        let pool = Pool::new(Keeping {
            client: client.expect("a client"),
            first_byte: DEADLINE,
            idle,
            limit,
            gauge: gauge.clone(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let arn = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-abcdefghij";
        let target = Target {
            arn: arn.parse().expect("an ARN"),
            qualifier: None,
        };
        Self {
            pool,
            gauge,
            target,
        }
    }

    async fn turn(
        &self,
        session: usize,
        text: &'static str,
    ) -> Result<BoxStream<'static, Result<String, Problem>>, Problem> {
        let session: SessionId = format!("session-{session:040}").parse().expect("an id");
        let asking = Asking {
            target: &self.target,
            session: &session,
            shown: "shown",
            headers: HeaderMap::new(),
            auth: Auth::SigV4,
        };
        self.pool
            .turn(asking, Bytes::from_static(text.as_bytes()))
            .await
    }

    /// A turn to its end.
    async fn said(&self, session: usize, text: &'static str) -> String {
        let pieces = self.turn(session, text).await.expect("a turn");
        let pieces: Vec<_> = pieces.map(|piece| piece.expect("a piece")).collect().await;
        pieces.concat()
    }

    async fn until_open(&self, count: i64) {
        let reached = async {
            while self.gauge.get() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(DEADLINE, reached).await;
        assert!(reached.is_ok(), "{} sockets, not {count}", self.gauge.get());
    }
}

async fn agent(stream: tokio::net::TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let _ = socket.send(Message::Text(text.clone())).await;
        if text != "hold" {
            let _ = socket.send(Message::text("[DONE]")).await;
        }
    }
}

#[tokio::test]
async fn a_full_pool_of_busy_sockets_refuses_and_one_that_is_idle_gives_its_place() {
    let stage = Stage::new(2, DEADLINE).await;
    let mut first = stage.turn(1, "hold").await.expect("room");
    let mut second = stage.turn(2, "hold").await.expect("room");
    for turn in [&mut first, &mut second] {
        assert_eq!(turn.next().await.expect("open").expect("a piece"), "hold");
    }
    let Err(refused) = stage.turn(3, "hello").await else {
        panic!("there is no room")
    };
    assert_eq!(
        (refused.status.as_u16(), refused.reason),
        (503, "WebSocketLimit")
    );
    assert!(refused.retry_after.is_some());
    // A turn that its caller left takes its socket with it.
    drop(first);
    stage.until_open(1).await;
    assert_eq!(stage.said(3, "hello").await, "hello");
    stage.until_open(2).await;
    assert_eq!(stage.said(4, "hello again").await, "hello again");
    stage.until_open(2).await;
    drop(second);
    stage.until_open(1).await;
}

#[tokio::test]
async fn a_socket_is_used_again_until_it_was_idle_for_long_or_its_session_ends() {
    let stage = Stage::new(2, Duration::from_millis(50)).await;
    assert_eq!(stage.said(1, "one").await, "one");
    stage.until_open(0).await;
    assert!(stage.pool.slots.lock().is_empty(), "its place is free too");

    let stage = Stage::new(2, DEADLINE).await;
    assert_eq!(stage.said(1, "one").await, "one");
    assert_eq!(stage.said(1, "two").await, "two");
    assert_eq!(stage.gauge.get(), 1);
    stage
        .pool
        .close(&format!("session-{:040}", 1).parse().expect("an id"));
    stage.until_open(0).await;
}
