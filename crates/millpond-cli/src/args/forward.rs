//! The command line of `millpond proxy` and `millpond run`, as typed.

use super::CommonArgs;
use super::child::ChildArgs;
use super::serve::WorkArgs;
use crate::settings::Settings;
use clap::Args;

/// Cache between clients and the internet.
#[derive(Debug, Args)]
#[command(after_help = "\
Clients name the proxy in their settings, or in HTTP_PROXY and HTTPS_PROXY. What they ask for over http is answered from \
the cache where that is allowed; https is passed on unread, unless its host is named with --intercept: then millpond \
speaks TLS with the client in the host's name, with a certificate of an authority of its own (`millpond ca`), and TLS with \
the host, whose certificate is verified. A proxy that listens beyond loopback needs --allow, or forward.open_to_all.

Examples:
  millpond proxy
  millpond proxy --preset apt --cache-dir /var/cache/millpond
  millpond proxy --intercept pypi.org files.pythonhosted.org
  millpond proxy --listen 0.0.0.0:3142 --allow deb.debian.org '*.debian.org'
  eval \"$(millpond ca env --proxy http://127.0.0.1:3142)\" && curl -I https://pypi.org/simple/

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failure while running, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct ProxyArgs {
    /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:3142]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    forward: ForwardArgs,
}

/// What `proxy` and `run` have in common.
#[derive(Clone, Debug, Default, Args)]
struct ForwardArgs {
    /// Hosts whose TLS is opened, such as example.com or *.example.com
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    intercept: Vec<String>,
    /// Open the TLS of every host
    #[arg(long)]
    intercept_all: bool,
    /// Hosts whose TLS stays closed in any case
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    tunnel: Vec<String>,
    /// The only hosts clients may ask for
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    allow: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
    /// Serve what is stored at any age, and fetch nothing
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    work: WorkArgs,
}

impl ForwardArgs {
    fn settings(self) -> Settings {
        let mut settings = self.common.settings();
        settings.set_list("--intercept", "intercept.hosts", self.intercept);
        settings.switch("--intercept-all", "intercept.all", self.intercept_all);
        settings.set_list("--tunnel", "intercept.tunnel", self.tunnel);
        settings.set_list("--allow", "forward.allow", self.allow);
        settings.switch("--offline", "offline", self.offline);
        self.work.put(&mut settings);
        settings
    }
}

impl From<ProxyArgs> for Settings {
    fn from(args: ProxyArgs) -> Self {
        let mut settings = args.forward.settings();
        settings.set_some("--listen", "listen", args.listen);
        ChildArgs::default().put(&mut settings);
        settings
    }
}

/// Run a command behind the forward proxy.
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a proxy on a free port, runs CMD with the variables that send it there and make it trust the proxy's certificates \
(HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE and so on: `millpond ca env` prints them), and ends with it. The TLS of every host \
is opened, but for those of --tunnel. NO_PROXY is empty unless --no-proxy is given: loopback goes through the proxy too. \
Standard output is CMD's alone; the address and the totals go to standard error. SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, and \
SIGINT and SIGQUIT that do not come from the terminal, are passed on to CMD.

Examples:
  millpond run -- pip download requests
  millpond run --preset npm -- npm ci
  millpond run --tunnel '*.internal.example' --default-ttl 10m -- ./build.sh

Exit codes: that of CMD, 128 and the signal's number when a signal ended it; 125 failure of millpond itself, 126 CMD \
cannot be run, 127 CMD is not found.")]
pub(crate) struct RunArgs {
    /// Address the proxy listens on [default: 127.0.0.1:0, a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    forward: ForwardArgs,
    #[command(flatten)]
    pub child: ChildArgs,
}

impl RunArgs {
    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = self.forward.clone().settings();
        settings.set_some("--listen", "listen", self.listen.clone());
        if self.forward.intercept.is_empty() {
            settings.fall_back("intercept.all", "true");
        }
        self.child.put(&mut settings);
        settings
    }
}
