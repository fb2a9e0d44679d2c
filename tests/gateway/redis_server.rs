//! A real redis-server of a test, on a port of its own; it ends with its owner.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than a start takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

pub struct RedisServer {
    child: Option<Child>,
    port: u16,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with these options over it.
    pub fn with(options: &[String]) -> Self {
        // Somebody else may take the port in between: then it is another one's turn.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let mut server = Self {
                child: None,
                port,
                options: options.to_vec(),
            };
            if server.begin() {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    fn begin(&mut self) -> bool {
        let port = self.port.to_string();
        let start = |program: &str| {
            Command::new(program)
                .args(["--port", &port, "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
                .args(&self.options)
                .current_dir(std::env::temp_dir())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        let child = start("redis-server").or_else(|_| start("valkey-server"));
        self.child = Some(child.expect(
            "redis-server is needed and was not found: install it (Debian: apt-get install redis-server)",
        ));
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            let child = self.child.as_mut().expect("it was started");
            if child.try_wait().expect("wait").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Its port.
    #[allow(dead_code)] // for some tests
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Ends it, with everything that it knows.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Has it stand still with its connections open, or go on.
    #[allow(dead_code)] // for some tests
    pub fn freeze(&self, freeze: bool) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("pid"));
        let signal = if freeze {
            Signal::SIGSTOP
        } else {
            Signal::SIGCONT
        };
        kill(pid, signal).expect("a signal");
    }

    /// Starts it again, at the same address and empty.
    #[allow(dead_code)] // some tests end it once
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.begin(), "redis-server does not start again");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
