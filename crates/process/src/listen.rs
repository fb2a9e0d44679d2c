//! Listening on every address of this machine, of either family.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use tokio::net::TcpListener;

/// Listens there. `[::]` takes connections of both families, and only IPv4's where this machine has no IPv6.
///
/// # Errors
/// As the system says.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && lacks_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        listening => listening,
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

/// An address as people know it: one of IPv4 is not shown as one of IPv6, as which `[::]` is told of it.
pub fn shown(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn every_address_is_of_both_families() {
        let listener = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()));
        let (v4, accepted) = tokio::join!(v4, listener.accept());
        v4.expect("IPv4");
        let (_, peer) = accepted.expect("a connection");
        assert!(shown(peer).is_ipv4(), "{peer}");
        if address.is_ipv6() {
            let v6 = TcpStream::connect((Ipv6Addr::LOCALHOST, address.port()));
            v6.await.expect("IPv6");
        }
    }

    #[test]
    fn a_machine_without_ipv6_is_told_from_a_taken_port() {
        let lacks = |code: Errno| lacks_ipv6(&io::Error::from_raw_os_error(code as i32));
        assert!(lacks(Errno::EAFNOSUPPORT) && lacks(Errno::EADDRNOTAVAIL));
        assert!(!lacks(Errno::EADDRINUSE));
    }
}
