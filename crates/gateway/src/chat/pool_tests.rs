//! The pool with a small limit, and an agent that answers all but `hold`.

use agentcore_invoke::{Credentials, DataPlane, Settings};
use futures::SinkExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// So many of all, and no share of anybody.
fn all(all: u64) -> Shares {
    Shares {
        caller: u64::MAX,
        namespace: u64::MAX,
        all,
    }
}

fn purse(caller: &str, namespace: &str) -> Purse {
    let holder = Holder {
        caller: caller.into(),
        namespace: namespace.into(),
    };
    let answers = shares::Pool::new("bytes of answers", all(1 << 20));
    Purse::new(answers, holder)
}

struct Stage {
    pool: Pool,
    /// How often a socket was opened.
    opened: Arc<AtomicU32>,
    gauge: IntGauge,
    target: Target,
}

impl Stage {
    async fn new(limit: Shares, idle: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let opened = Arc::new(AtomicU32::new(0));
        let counted = opened.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
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
            opened,
            gauge,
            target,
        }
    }

    async fn turn(&self, session: usize, text: &'static str) -> Result<Pieces, Problem> {
        self.turn_as(session, text, Auth::SigV4).await
    }

    async fn turn_as(
        &self,
        session: usize,
        text: &'static str,
        auth: Auth,
    ) -> Result<Pieces, Problem> {
        self.turn_of(&purse("caller", "shop"), session, text, auth)
            .await
    }

    async fn turn_of(
        &self,
        purse: &Purse,
        session: usize,
        text: &'static str,
        auth: Auth,
    ) -> Result<Pieces, Problem> {
        let session: SessionId = format!("session-{session:040}").parse().expect("an id");
        let asking = Asking {
            target: &self.target,
            session: &session,
            shown: "shown",
            headers: HeaderMap::new(),
            auth,
            purse,
        };
        self.pool
            .turn(asking, Bytes::from_static(text.as_bytes()))
            .await
            .map_err(|missed| missed.problem)
    }

    /// A turn to its end.
    async fn said(&self, session: usize, text: &'static str) -> String {
        let pieces = self.turn(session, text).await.expect("a turn");
        let pieces: Vec<_> = pieces
            .map(|piece| piece.expect("a piece").text)
            .collect()
            .await;
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
    // As servers do, more often: a ping is no use of the socket.
    let mut pings = tokio::time::interval(Duration::from_millis(5));
    loop {
        let message = tokio::select! {
            _ = pings.tick() => {
                let _ = socket.send(Message::Ping(Bytes::new())).await;
                continue;
            }
            message = socket.next() => message,
        };
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(_)) => continue,
            _ => return,
        };
        let _ = socket.send(Message::Text(text.clone())).await;
        if text != "hold" {
            let _ = socket.send(Message::text("[DONE]")).await;
        }
    }
}

#[tokio::test]
async fn a_full_pool_of_busy_sockets_refuses_and_one_that_is_idle_gives_its_place() {
    let stage = Stage::new(all(2), DEADLINE).await;
    let mut first = stage.turn(1, "hold").await.expect("room");
    let mut second = stage.turn(2, "hold").await.expect("room");
    for turn in [&mut first, &mut second] {
        let piece = turn.next().await.expect("open").expect("a piece");
        assert_eq!(piece.text, "hold");
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
    let stage = Stage::new(all(2), Duration::from_millis(50)).await;
    assert_eq!(stage.said(1, "one").await, "one");
    stage.until_open(0).await;
    assert!(stage.pool.slots.lock().is_empty(), "its place is free too");

    let stage = Stage::new(all(2), DEADLINE).await;
    assert_eq!(stage.said(1, "one").await, "one");
    assert_eq!(stage.said(1, "two").await, "two");
    assert_eq!(stage.gauge.get(), 1);
    stage
        .pool
        .close(&format!("session-{:040}", 1).parse().expect("an id"));
    stage.until_open(0).await;
}

#[tokio::test]
async fn a_socket_is_for_the_token_that_opened_it() {
    let stage = Stage::new(all(2), DEADLINE).await;
    let bearer = |token| Auth::Bearer(axum::http::HeaderValue::from_static(token));
    for (token, sockets) in [
        ("Bearer a", 1),
        ("Bearer a", 1),
        ("Bearer b", 2),
        ("Bearer a", 3),
    ] {
        let pieces = stage
            .turn_as(1, "hello", bearer(token))
            .await
            .expect("a turn");
        assert_eq!(pieces.count().await, 1);
        assert_eq!(stage.opened.load(Ordering::Relaxed), sockets, "{token}");
    }
    // The former ones close.
    stage.until_open(1).await;
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_and_sends_nothing() {
    let stage = Stage::new(all(2), DEADLINE).await;
    assert_eq!(stage.said(1, "one").await, "one");
    stage.pool.keeping.stop.cancel();
    let Err(refused) = stage.turn(1, "two").await else {
        panic!("it is taken");
    };
    assert_eq!(refused.reason, "GatewayStopping");
}

#[tokio::test]
async fn a_caller_with_all_its_sockets_makes_room_for_itself_and_others_keep_theirs() {
    let shares = Shares {
        caller: 3,
        namespace: 4,
        all: 5,
    };
    let stage = Stage::new(shares, DEADLINE).await;
    let said = async |caller: &str, namespace: &str, session: usize| {
        let purse = purse(caller, namespace);
        let pieces = stage.turn_of(&purse, session, "hello", Auth::SigV4).await;
        pieces.expect("a turn").count().await
    };
    assert_eq!(said("other", "shop", 100).await, 1);
    // Far more than it may have, one after the other.
    for session in 0..20 {
        assert_eq!(said("greedy", "shop", session).await, 1);
    }
    stage.until_open(4).await;
    let before = stage.opened.load(Ordering::Relaxed);
    assert_eq!(said("other", "shop", 100).await, 1);
    let after = stage.opened.load(Ordering::Relaxed);
    assert_eq!(after, before, "the other's socket was not given away");
    // Of the namespace the greedy one's are idle for longest, and of all too.
    assert_eq!(said("third", "shop", 200).await, 1);
    assert_eq!(said("fourth", "mall", 300).await, 1);
    assert_eq!(said("fifth", "mall", 400).await, 1);
    assert_eq!(said("other", "shop", 100).await, 1);
    stage.until_open(5).await;

    // Busy ones are nobody's to give away: the greedy caller is refused, and others are not.
    let greedy = purse("greedy", "shop");
    let mut busy = Vec::new();
    for session in 500..503 {
        let turn = stage.turn_of(&greedy, session, "hold", Auth::SigV4).await;
        busy.push(turn.expect("room"));
    }
    let refused = stage.turn_of(&greedy, 600, "hold", Auth::SigV4).await;
    let refused = refused.err().expect("no room");
    assert_eq!(
        (refused.status.as_u16(), refused.reason),
        (429, "CallerShare")
    );
    assert_eq!(said("sixth", "mall", 700).await, 1);
}
