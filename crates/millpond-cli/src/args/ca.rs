//! The command line of `millpond ca`, as typed.

use super::PlaceArgs;
use clap::{Args, Subcommand, ValueEnum};

/// Where `millpond proxy` listens unless told otherwise.
const PROXY: &str = "http://127.0.0.1:3142";

/// The certificate authority for opening TLS, and how clients come to trust it.
#[derive(Debug, Args)]
#[command(after_help = "\
The authority is made with its first use, in `ca` within the cache directory, or in intercept.ca_dir; that of mitmproxy may \
be used too: --set intercept.ca_dir=~/.mitmproxy. Its private key is for you alone: whoever has it can speak for any site to \
whoever trusts it.

Examples:
  millpond ca path
  eval \"$(millpond ca env --proxy http://127.0.0.1:3142)\"
  docker run $(millpond ca docker-args) image

Exit codes: 0 success, 1 the authority cannot be made or read, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct CaArgs {
    #[command(subcommand)]
    pub action: CaAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaAction {
    /// Print where the authority's certificate lies
    #[command(after_help = "\
Example:
  millpond ca path
  sudo cp \"$(millpond ca path)\" /usr/local/share/ca-certificates/millpond.crt && sudo update-ca-certificates

Exit codes: 0 success, 1 the authority cannot be made or read.")]
    Path(PathArgs),
    /// Tell whom the certificate names, how long it holds, and its fingerprint
    #[command(
        after_help = "Example:\n  millpond ca show --json\n\nExit codes: 0 success, 1 the authority cannot be made or read."
    )]
    Show(ShowArgs),
    /// Print shell lines that send clients through the proxy and make them trust it
    #[command(after_help = "\
Examples:
  eval \"$(millpond ca env --proxy http://127.0.0.1:3142)\"
  millpond ca env --shell fish | source

Exit codes: 0 success, 1 the authority cannot be made or read, 2 wrong usage.")]
    Env(EnvArgs),
    /// Print arguments of `docker run` that do the same for a container
    #[command(after_help = "\
The container reaches a proxy on the host as host.docker.internal, for which the proxy has to listen on an address that \
containers reach (--listen 0.0.0.0:3142 with --allow, say); with --network host it shares this machine's loopback. Values \
are quoted for a shell where they need it, which only `eval` undoes.

Examples:
  docker run $(millpond ca docker-args --network host) image
  eval \"docker run $(millpond ca docker-args --no-proxy 'localhost,db') image\"
  millpond ca docker-args --over /usr/local/lib/python3.12/site-packages/certifi/cacert.pem

Exit codes: 0 success, 1 the authority cannot be made or read, 2 wrong usage.")]
    DockerArgs(DockerArgs),
}

/// Print where the certificate lies.
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// The bundle of this certificate and the platform's instead, for clients that trust one file only
    #[arg(long)]
    pub bundle: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Tell about the certificate.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Print shell lines.
#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// URL of the proxy
    #[arg(long, value_name = "URL", default_value = PROXY)]
    pub proxy: String,
    /// Hosts that are not asked through the proxy, separated by commas [default: none]
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub no_proxy: String,
    /// The shell that reads the lines
    #[arg(long, value_name = "SHELL", default_value = "posix")]
    pub shell: Shell,
    /// Print a JSON object instead
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A family of shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// sh, bash, zsh, dash
    Posix,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// Print arguments of `docker run`.
#[derive(Debug, Args)]
pub(crate) struct DockerArgs {
    /// URL of the proxy on this machine, of which the port counts
    #[arg(long, value_name = "URL", default_value = PROXY)]
    pub proxy: String,
    /// Hosts that are not asked through the proxy, separated by commas [default: none]
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub no_proxy: String,
    /// The container's network: bridge, or host for that of this machine
    #[arg(long, value_name = "NETWORK", default_value = "bridge")]
    pub network: Network,
    /// Files in the container to lay the bundle over, for clients that trust a file of their own whatever the variables say
    #[arg(long, value_name = "FILE")]
    pub over: Vec<String>,
    /// Print a JSON array instead
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A container's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// A network of its own: the host is host.docker.internal
    Bridge,
    /// That of this machine
    Host,
}
