//! A command behind a server of its own: the server starts, the command runs, the server ends.

use super::authority::Trusted;
use super::child::{self, Signals};
use super::runtime;
use crate::args::child::ChildArgs;
use crate::failure::Failure;
use millpond::config::{Resolved, Source};
use millpond::proxy::Server;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitStatus;

/// How it ended.
pub(crate) struct Ended {
    /// The command's end.
    pub status: ExitStatus,
    /// What the server did.
    pub figures: Vec<(String, u64)>,
}

/// Runs the command behind the server that `bind` makes.
pub(crate) fn run(
    args: &ChildArgs,
    trusted: &Trusted,
    bind: impl FnOnce() -> Result<Server, Failure>,
) -> Result<Ended, Failure> {
    let runtime = runtime()?;
    // From now on, so that a signal which comes before the command waits for it.
    let signals = Signals::listen(&runtime)?;
    let server = bind()?;
    let url = url_of(server.local_addr());
    if !args.quiet {
        eprintln!("millpond: listening on {url}");
    }
    let variables = trusted.variables(&url, args.no_proxy.as_deref().unwrap_or_default());
    let running = server.start()?;
    let status = runtime.block_on(child::run(&args.command, variables, signals));
    running.stop();
    let figures = running.wait();
    Ok(Ended { status: status?, figures })
}

/// The URL under which a client of this machine reaches a server.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// A port of a preset is for a server that stays; it may be taken by one.
pub(crate) fn listen_anywhere(resolved: &mut Resolved) {
    if matches!(resolved.origin_of("listen"), Some(Source::Preset { .. })) {
        resolved.config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    }
}
