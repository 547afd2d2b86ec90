//! What the tape keeps of connections.

use millpond_tape::ConnectionFacts;
use std::net::SocketAddr;

/// A connection between `local`, which is ours, and `peer`.
pub(crate) fn between(peer: Option<SocketAddr>, local: Option<SocketAddr>) -> ConnectionFacts {
    let place = |address: SocketAddr| (address.ip().to_string(), address.port());
    ConnectionFacts {
        id: uuid::Uuid::new_v4().to_string(),
        peer: peer.map(place),
        local: local.map(place),
        transport: "tcp".into(),
        ..ConnectionFacts::default()
    }
}
