//! Further processes of the bench: this program again, in another role. A process says its address in its first line, and ends when its
//! standard input does, so with the bench however that ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::{agent, proxy};

/// Before the name of a role.
const FLAG: &str = "--role";

/// A process in a role; it ends with its owner.
pub struct Helper {
    child: Child,
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
        Self { child, address }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
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
        other => panic!("there is no role {other}"),
    }
}

/// Says where a role listens.
pub fn listens(address: SocketAddr) {
    println!("{address}");
}
