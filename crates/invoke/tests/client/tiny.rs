//! A server of the tests' own: answers what a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Serves until it is dropped.
pub struct Tiny {
    pub addr: SocketAddr,
    requests: Arc<Mutex<Vec<(String, String)>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tiny {
    /// Gives these texts as answers, each to a request, and closes the connection after each; the last of them again and again. An empty
    /// one only closes it. Of bodies only what
    /// Content-Length announces is read.
    pub async fn start(answers: Vec<String>) -> Self {
        let next = AtomicUsize::new(0);
        Self::scripted(move |_| {
            let n = next.fetch_add(1, Ordering::SeqCst);
            answers.get(n).or(answers.last()).unwrap().clone()
        })
        .await
    }

    /// As [`Tiny::start`], with answers that depend on the head of the request.
    pub async fn scripted(answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (kept, count) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                let answer = answers(&request.0);
                kept.lock().await.push(request);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            addr,
            requests,
            connections,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Heads of the requests so far.
    pub async fn heads(&self) -> Vec<String> {
        let requests = self.requests.lock().await;
        requests.iter().map(|(head, _)| head.clone()).collect()
    }

    /// Bodies of the requests so far.
    pub async fn bodies(&self) -> Vec<String> {
        let requests = self.requests.lock().await;
        requests.iter().map(|(_, body)| body.clone()).collect()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// An answer with a JSON body and these further lines of its head.
pub fn answer(status: u16, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let announced = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; announced.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

/// Passes bytes on to another server, and counts the connections.
pub struct Relay {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut inner, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut outer = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                });
            }
        });
        Self {
            addr,
            connections,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
