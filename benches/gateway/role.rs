//! Further processes of the bench: this program again, in another role. A process says its address in its first line, and ends when its
//! standard input does, so with the bench however that ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{agent, attacks, proxy};
use crate::support::process::processor_time;

/// Before the name of a role.
const FLAG: &str = "--role";

/// A process in a role; it ends with its owner.
pub struct Helper {
    child: Child,
    /// Whether it runs; locked while it is signalled.
    runs: Arc<Mutex<bool>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Helper {
    /// The agent.
    pub fn agent() -> Self {
        Self::start(&["agent"])
    }

    /// The pass-through before an upstream.
    pub fn proxy(upstream: SocketAddr) -> Self {
        Self::start(&["proxy", &upstream.to_string()])
    }

    /// Somebody who attacks an address, held to half a processor.
    pub fn attacker(attack: &str, attacked: SocketAddr, base: &str, token: &str) -> Self {
        let helper = Self::start(&["attack", attack, &attacked.to_string(), base, token]);
        helper.hold();
        helper
    }

    /// Stops the process whenever it has used more than half a processor since now, until that is no longer so.
    fn hold(&self) {
        const LOOK: Duration = Duration::from_millis(10);
        let (pid, runs) = (self.pid(), self.runs.clone());
        let process = Pid::from_raw(i32::try_from(pid).expect("a process id"));
        std::thread::spawn(move || {
            let (before, begun) = (processor_time(pid), Instant::now());
            loop {
                let runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                if !*runs {
                    return;
                }
                let used = processor_time(pid).saturating_sub(before);
                let signal = if used > begun.elapsed() / 2 {
                    Signal::SIGSTOP
                } else {
                    Signal::SIGCONT
                };
                kill(process, signal).expect("a signal");
                drop(runs);
                std::thread::sleep(LOOK);
            }
        });
    }

    fn start(words: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(FLAG)
            .args(words)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let address = line.trim().parse().expect("an address");
        Self {
            child,
            runs: Arc::new(Mutex::new(true)),
            address,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner) = false;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the role that the command line names, to the end of the process; comes back when it names none.
pub fn play() {
    let mut words = std::env::args().skip_while(|word| word != FLAG).skip(1);
    let Some(role) = words.next() else {
        return;
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match role.as_str() {
        "agent" => agent::run(),
        "proxy" => {
            let upstream = words.next().and_then(|word| word.parse().ok());
            proxy::run(upstream.expect("proxy ADDRESS"));
        }
        "attack" => {
            let words: Vec<_> = words.collect();
            let [name, attacked, base, token] = words.as_slice() else {
                panic!("attack NAME ADDRESS PATH TOKEN");
            };
            attacks::run(name, attacked.parse().expect("an address"), base, token);
        }
        other => panic!("there is no role {other}"),
    }
}

/// Says where a role listens.
pub fn listens(address: SocketAddr) {
    println!("{address}");
}
