//! What the callers of an agent notice while somebody takes all that the gateway gives: the attacks of docs/limits.md, one after the other. The
//! attacker is a process of its own that is held to half a processor, so that what is measured is the gateway's sharing and not the machine's.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

use super::agent::Order;
use super::load::{alone, open};
use super::role::Helper;
use super::speed::{median, percentile};
use super::stage::{Stage, address};
use crate::support::process::{MB, Peak};
use crate::support::table::{Table, milliseconds};

/// Requests of the other caller a second, how long a round takes, and how many are medians of.
const RATE: u32 = 200;
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
/// Until an attack has everything that it gets.
const WARM: Duration = Duration::from_secs(2);
/// A 99th percentile may be twice what it is without the attack, or so much more than that.
const MORE: Duration = Duration::from_millis(50);
/// The memory that the chart gives the gateway, in bytes.
const MEMORY: u64 = 512 << 20;

/// Somebody who opens connections, sends on each, and does the same again wherever one is closed.
pub struct Attack {
    /// What is done, as the table says it; the attacker finds it by this name.
    name: &'static str,
    who: Who,
    connections: usize,
    to: Port,
    /// What a connection sends first.
    head: fn(&Words) -> String,
    then: Then,
}

/// Whose token is sent.
#[derive(Clone, Copy)]
enum Who {
    /// Nobody's.
    Stranger,
    /// One that may do nothing.
    WithoutRights,
    /// One that may do everything.
    Greedy,
}

#[derive(Clone, Copy)]
enum Port {
    Callers,
    Admin,
}

/// What a connection does after its head.
#[derive(Clone, Copy)]
pub enum Then {
    /// Nothing.
    Wait,
    /// It sends this for ever.
    Send(&'static str),
    /// It reads an answer and sends the next head.
    Again,
}

/// What a head is made of.
pub struct Words {
    /// `/v1/namespaces/NAMESPACE/agentruntimes`.
    base: String,
    token: String,
    /// Another one for each head.
    number: usize,
}

impl Words {
    fn request(&self, method: &str, path: &str, rest: &str) -> String {
        let Self { base, token, .. } = self;
        format!(
            "{method} {base}/{path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{rest}"
        )
    }

    /// A whole request with a body.
    fn post(&self, path: &str, body: &str) -> String {
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.request("POST", path, &length)
    }

    /// Half of a body.
    fn unfinished(&self, path: &str) -> String {
        let body = format!("{{\"prompt\":\"{}", "a".repeat(400_000));
        let length = format!("Content-Length: {}\r\n\r\n{body}", 2 * body.len());
        self.request("POST", path, &length)
    }
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "chats that are not finished",
        who: Who::Greedy,
        connections: 100,
        to: Port::Callers,
        head: |words| words.unfinished("support/chat"),
        then: Then::Wait,
    },
    Attack {
        name: "bodies that are not finished",
        who: Who::Greedy,
        connections: 200,
        to: Port::Callers,
        head: |words| words.unfinished("support/invocations"),
        then: Then::Wait,
    },
    Attack {
        name: "chats with long answers",
        who: Who::Greedy,
        connections: 60,
        to: Port::Callers,
        head: |words| {
            words.post(
                "support/chat",
                r#"{"prompt":"a","do":"answer","count":12000000}"#,
            )
        },
        then: Then::Wait,
    },
    Attack {
        name: "chats with an endless line",
        who: Who::Greedy,
        connections: 60,
        to: Port::Callers,
        head: |words| {
            words.post(
                "support/chat",
                r#"{"prompt":"a","do":"line","count":1000000000}"#,
            )
        },
        then: Then::Again,
    },
    Attack {
        name: "silent connections",
        who: Who::Stranger,
        connections: 10_000,
        to: Port::Callers,
        head: |_| String::new(),
        then: Then::Wait,
    },
    Attack {
        name: "endless headers",
        who: Who::Stranger,
        connections: 1_000,
        to: Port::Callers,
        head: |_| "GET / HTTP/1.1\r\n".to_owned(),
        then: Then::Send("x: y\r\n"),
    },
    Attack {
        name: "invented names",
        who: Who::WithoutRights,
        connections: 100,
        to: Port::Callers,
        head: |words| words.post(&format!("invented-{}/invocations", words.number), "{}"),
        then: Then::Again,
    },
    Attack {
        name: "open streams",
        who: Who::Greedy,
        connections: 1_000,
        to: Port::Callers,
        head: |words| {
            words.post(
                "support/invocations",
                r#"{"do":"events","count":1000000,"pause_ms":1000}"#,
            )
        },
        then: Then::Wait,
    },
    Attack {
        name: "connections to the admin port",
        who: Who::Stranger,
        connections: 1_000,
        to: Port::Admin,
        head: |_| "GET /metrics HT".to_owned(),
        then: Then::Wait,
    },
    Attack {
        name: "stops",
        who: Who::Greedy,
        connections: 20,
        to: Port::Callers,
        head: |words| {
            let session = format!("support/sessions/{:0>40}", words.number);
            words.request("DELETE", &session, "\r\n")
        },
        then: Then::Again,
    },
];

/// Each attack, on a gateway of its own with the flags that it has by default.
pub async fn attacks(stage: &Stage, table: &mut Table) {
    let front = &stage.front;
    front.allow("greedy", &["create", "get", "delete"]).await;
    front.account("without-rights").await;
    for attack in ATTACKS {
        during(attack, stage, table).await;
    }
}

async fn during(attack: &Attack, stage: &Stage, table: &mut Table) {
    let gateway = stage.gateway().await;
    let target = stage.through(&gateway);
    let token = match attack.who {
        Who::Stranger => "nobody".to_owned(),
        Who::WithoutRights => stage.front.token("without-rights").await,
        Who::Greedy => stage.front.token("greedy").await,
    };
    let aim = match attack.to {
        Port::Callers => address(&gateway),
        Port::Admin => gateway
            .admin
            .trim_start_matches("http://")
            .parse()
            .expect("an address"),
    };
    let base = format!("/v1/namespaces/{}/agentruntimes", stage.front.rig.namespace);
    let tail = async || {
        let target = target.clone();
        let load = async move || open(&target, &Order::Text.body(), RATE, ROUND).await;
        let mut times = alone(load).await;
        times.sort();
        let due = RATE as usize * usize::try_from(ROUND.as_secs()).expect("seconds");
        (percentile(&times, 99).as_secs_f64(), due - times.len())
    };
    let memory = Peak::of(gateway.pid());
    let (mut without, mut with, mut refused) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        without.push(tail().await.0);
        let attacker = Helper::attacker(attack.name, aim, &base, &token);
        tokio::time::sleep(WARM).await;
        let (time, lost) = tail().await;
        drop(attacker);
        with.push(time);
        refused += lost;
    }
    let [without, with] = [without, with].map(|times| median(times.into_iter()));
    let most = (2.0 * without).max(without + MORE.as_secs_f64());
    let shown = |seconds| milliseconds(Duration::from_secs_f64(seconds));
    table.row(
        &format!("{}: the other's p99", attack.name),
        format!("<= {}", shown(most)),
        format!("{} ({} without)", shown(with), shown(without)),
        with <= most,
    );
    if refused > 0 {
        table.row(
            "  the other's requests that failed",
            "0",
            refused.to_string(),
            false,
        );
    }
    let memory = memory.end();
    table.row(
        "  most memory",
        format!("<= {} MB", MEMORY / MB),
        format!("{} MB", memory / MB),
        memory <= MEMORY,
    );
}

/// The attacker's process: it attacks until it is ended.
pub fn run(name: &str, aim: SocketAddr, base: &str, token: &str) {
    let attack = ATTACKS.iter().find(|attack| attack.name == name);
    let attack = attack.expect("an attack of this name");
    super::role::listens(aim);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            let connections = (0..attack.connections).map(|number| {
                let words = Words {
                    base: base.to_owned(),
                    token: token.to_owned(),
                    number,
                };
                keep(attack, aim, words)
            });
            futures::future::join_all(connections).await;
        });
}

/// One connection, and the next where it is closed.
async fn keep(attack: &Attack, aim: SocketAddr, mut words: Words) {
    loop {
        // Whatever ends it, the next one is tried.
        let _ = one(attack, aim, &mut words).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn one(attack: &Attack, aim: SocketAddr, words: &mut Words) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(aim).await?;
    let mut answer = vec![0; 64 << 10];
    loop {
        stream.write_all((attack.head)(words).as_bytes()).await?;
        words.number += attack.connections;
        match attack.then {
            // To its end; what comes is not read.
            Then::Wait => {
                while !stream
                    .ready(Interest::READABLE | Interest::ERROR)
                    .await?
                    .is_read_closed()
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                return Ok(());
            }
            Then::Send(more) => loop {
                stream.write_all(more.as_bytes()).await?;
            },
            // Answers are small: one reading has the whole of most.
            Then::Again => {
                if stream.read(&mut answer).await? == 0 {
                    return Ok(());
                }
            }
        }
    }
}
