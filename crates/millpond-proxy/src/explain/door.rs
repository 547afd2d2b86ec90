//! Which door a request comes to, and what the forward proxy says before it is routed.

use crate::forward::{Dialer, Guard, Names, Refused, Target, is_chosen};
use crate::problem::Problem;
use crate::server::StartError;
use crate::upstream::{UpstreamPool, UpstreamTls};
use millpond_config::Config;
use millpond_exchange::{RequestHead, Scheme};
use std::fmt;
use std::sync::Arc;

use super::Unrouted;

/// Which door a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A cache in front of the configured origins.
    Serve,
    /// A forward proxy, whose clients name the origin.
    Forward,
}

/// What leaves the TLS of a host closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing has it opened.
    NotChosen,
    /// `intercept.tunnel` names the host.
    KeptClosed,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotChosen => "neither intercept.hosts names the host, nor is intercept.all set",
            Self::KeptClosed => "intercept.tunnel names the host",
        })
    }
}

/// What the guard of a forward proxy says of the target by its name, and how tunnels are opened; true for a request that comes
/// through one. Where a name leads is seen only when it is connected to.
pub(super) fn admitted(config: &Config, head: &RequestHead) -> Result<bool, Unrouted> {
    let refused = |refused: Refused| Unrouted::from(Problem::from(refused));
    let guard = Guard::new(&config.forward, config.listen.socket_addr());
    let target = Target::of_url(head.scheme, &head.authority).ok_or(Refused::Malformed).map_err(refused)?;
    if head.scheme == Scheme::Http {
        return guard.check(&target).map(|()| false).map_err(refused);
    }
    guard.check_tunnel(&target).map_err(refused)?;
    let intercept = &config.intercept;
    if is_chosen(&target.host, intercept.all, &intercept.hosts, &intercept.tunnel) {
        return Ok(true);
    }
    let kept = is_chosen(&target.host, intercept.all, &intercept.hosts, &[]);
    let by = if kept { Closed::KeptClosed } else { Closed::NotChosen };
    Err(Unrouted::Tunnelled { host: target.host, by })
}

/// The way that a server with `config` has to origins. A forward proxy connects to no address that its guard refuses.
///
/// # Errors
/// When the certificates to trust cannot be read.
pub fn way_out(config: &Config, door: Door) -> Result<UpstreamPool, StartError> {
    let pool = UpstreamPool::new(UpstreamTls::load(config.upstream_ca.as_deref())?);
    Ok(match door {
        Door::Serve => pool,
        Door::Forward => {
            let own = config.listen.socket_addr();
            pool.dialing(Arc::new(Dialer::new(config, Names::system(), own)))
        }
    })
}
