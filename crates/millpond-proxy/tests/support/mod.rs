//! A proxy in a process of its own making, origins that say exactly what a test tells them to, and a client that
//! shows what came.

mod client;
#[path = "../../../millpond-front/tests/http2/frames.rs"]
pub mod frames;
pub mod http2;
mod origin;
pub mod origin2;
mod proxy;

pub mod tls;
mod wire;

pub use client::{Client, Reply};
pub use origin::{Origin, Step, Then, step};
pub use proxy::{Proxy, START, Setup, names, proxy, url_of};
pub use wire::Message;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::Notify;

/// Awaits `future`, and fails the test when it takes longer than anything here ever should.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing came for 30 seconds")
}

/// Waits until `holds` is true; looked at whenever `changed` says that something happened.
pub async fn until(changed: &Notify, holds: impl Fn() -> bool) {
    soon(async {
        loop {
            let mut changed = std::pin::pin!(changed.notified());
            changed.as_mut().enable();
            if holds() {
                return;
            }
            changed.await;
        }
    })
    .await;
}

/// A port at which nobody answers, nor will as long as the socket is held.
pub fn closed_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Runs `test` on a runtime and a thread of its own: for callers whose runtime has a stopped clock.
pub fn apart<F>(test: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
