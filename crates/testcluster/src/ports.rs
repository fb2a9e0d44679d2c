//! A TCP port that stays ours from the moment it is chosen.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpSocket;

/// A loopback port held by a socket that is bound but never listens.
///
/// The socket has `SO_REUSEPORT`, and kube-apiserver is started with `--permit-port-sharing`, so the two can hold
/// the port at once while only the server receives connections. The kernel gives the port to nobody else in
/// between: there is no moment between choosing it and using it.
#[derive(Debug)]
pub(crate) struct HeldPort {
    _socket: TcpSocket,
    number: u16,
}

impl HeldPort {
    /// Takes a free port on 127.0.0.1.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4().context("cannot make a socket")?;
        socket.set_reuseport(true).context("cannot share a port")?;
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .context("cannot take a port on 127.0.0.1")?;
        let number = socket
            .local_addr()
            .context("cannot read the port taken")?
            .port();
        Ok(Self {
            _socket: socket,
            number,
        })
    }

    /// The port's number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::TcpListener;

    #[tokio::test]
    async fn a_held_port_is_given_to_nobody_else() {
        let held: Vec<HeldPort> = (0..200).map(|_| HeldPort::take().unwrap()).collect();
        let numbers: HashSet<u16> = held.iter().map(HeldPort::number).collect();
        assert_eq!(numbers.len(), held.len());
        for port in numbers {
            assert!(
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err(),
                "port {port} was free"
            );
        }
    }
}
