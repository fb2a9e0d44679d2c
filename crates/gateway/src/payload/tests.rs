//! Bodies that come over real connections, of callers that are named by a header.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body as AnswerBody;
use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::server::{Server, Transport};

/// For what must happen: long enough for a machine that is busy with builds.
const SOON: Duration = Duration::from_mins(2);

/// A quarter of each pool is 1 MiB.
const POOL: u64 = 4 << 20;

struct Stage {
    address: SocketAddr,
    reader: Reader,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    /// With so many bytes in memory and on disk.
    async fn start(pool: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = Reader::new(folder.path().to_owned(), pool, pool);
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = Server::bind(address, Transport::Plain, 4_000).await;
        let server = server.expect("a port");
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let of_all = reader.clone();
        let service = service_fn(move |request| {
            let reader = of_all.clone();
            async move { Ok::<_, Infallible>(answer(&reader, request).await) }
        });
        tokio::spawn(server.serve(service, stop.clone(), SOON));
        Self {
            address,
            reader,
            stop,
            _folder: folder,
        }
    }

    /// Begins a request and sends so many bytes of a body that is announced to have `length`.
    async fn begin(&self, path: &str, caller: &str, bytes: usize, length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nx-caller: {caller}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut sent = head.into_bytes();
        sent.resize(sent.len() + bytes, b'a');
        // It may be refused before it has sent everything.
        let _ = stream.write_all(&sent).await;
        stream
    }

    /// What is said to a whole request.
    async fn whole(&self, path: &str, caller: &str, length: usize) -> String {
        heard(self.begin(path, caller, length, length).await).await
    }

    /// What the first so many of them hear.
    async fn refused(
        &self,
        streams: Vec<TcpStream>,
        how_many: usize,
    ) -> FuturesUnordered<impl Future<Output = String>> {
        let mut answers: FuturesUnordered<_> = streams.into_iter().map(heard).collect();
        for _ in 0..how_many {
            let answer = timeout(SOON, answers.next()).await.expect("in time");
            let answer = answer.expect("as many are refused");
            assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
            assert!(answer.contains("retry-after: "), "{answer}");
            assert!(answer.contains("CallerShare"), "{answer}");
        }
        answers
    }

    fn used(&self) -> [u64; 2] {
        self.reader.pools().map(|(_, pool)| pool.used())
    }
}

async fn answer(reader: &Reader, request: Request<Incoming>) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let body = Unread::new(head.version, body);
    let caller = head.headers["x-caller"].to_str().expect("a name");
    let holder = Holder {
        caller: caller.into(),
        namespace: "shop".into(),
    };
    let read = if head.uri.path() == "/small" {
        let read = reader.small(&head, body, 10_000_000, &holder).await;
        read.map(|(bytes, _room)| format!("memory {}", bytes.len()))
    } else {
        let read = reader.whole(&head, body, holder).await;
        read.map(|whole| match whole.payload {
            Payload::Memory(bytes) => {
                assert!(bytes.iter().all(|byte| *byte == b'a'));
                format!("memory {}", bytes.len())
            }
            Payload::Spooled(spooled) => format!("spooled {}", spooled.length()),
            Payload::Stream { .. } => "streamed".to_owned(),
        })
    };
    match read {
        Ok(said) => Response::new(AnswerBody::from(said)),
        Err(problem) => problem.into_response(),
    }
}

/// All that comes; a reset is an end too.
async fn heard(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_bodies_stay_in_memory_and_large_ones_go_to_disk() {
    let stage = Stage::start(4 * POOL).await;
    for (path, length, said) in [
        ("/whole", 0, "memory 0"),
        ("/whole", 700_000, "memory 700000"),
        ("/whole", 1_048_577, "spooled 1048577"),
        ("/small", 900_000, "memory 900000"),
    ] {
        let answer = stage.whole(path, "one", length).await;
        assert!(answer.ends_with(said), "{answer}");
    }
    assert_eq!(stage.used(), [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_one_caller_does_not_end_leave_room_for_others() {
    let stage = Stage::start(POOL).await;
    for (path, requests, at_least) in [("/whole", 91, 84), ("/small", 23, 20)] {
        let mut streams = Vec::new();
        for _ in 0..requests {
            streams.push(stage.begin(path, "greedy", 300_000, 600_000).await);
        }
        let unfinished = stage.refused(streams, at_least).await;
        let used = stage.used();
        assert!(used.iter().all(|used| *used <= POOL / 4), "{used:?}");
        for path in ["/whole", "/small"] {
            let answer = stage.whole(path, "other", 600_000).await;
            assert!(answer.ends_with("memory 600000"), "{answer}");
        }
        drop(unfinished);
        let given_back = async {
            while stage.used() != [0, 0] {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, given_back).await.expect("it is given back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_only_announced_holds_nothing() {
    let stage = Stage::start(POOL).await;
    let mut announced = Vec::new();
    for _ in 0..50 {
        announced.push(stage.begin("/whole", "one", 1, 90_000_000).await);
    }
    let answer = stage.whole("/whole", "one", 900_000).await;
    assert!(answer.ends_with("memory 900000"), "{answer}");
}
