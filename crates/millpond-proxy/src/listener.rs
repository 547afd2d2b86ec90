//! Sockets to listen on, one for each worker.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections the kernel may hold for us before they are accepted.
const BACKLOG: i32 = 4096;

/// One listening socket for each of `workers`, all on the same address; port 0 becomes one free port.
///
/// The first bind is made without SO_REUSEPORT: with it, a second server on the same port would go unnoticed and take half
/// the connections.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let probe = socket(address, false)?;
    let address =
        probe.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an internet address"))?;
    if workers == 1 {
        probe.listen(BACKLOG)?;
        return Ok(vec![probe.into()]);
    }
    drop(probe);
    (0..workers)
        .map(|_| {
            let socket = socket(address, true)?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
