//! The command line of `millpond explain`.

use super::CommonArgs;
use super::child::ChildArgs;
use crate::settings::Settings;
use clap::Args;
use std::path::PathBuf;

/// Tell why a URL would hit, miss or be refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Looks into the store that `serve` or `proxy` would use with the same options, and tells what a server would do with the \
request now: its route, the rule for its path, its key, what is stored for it, the verdict with its reason, what the origin \
would be sent, and which option would change that. Like a server it asks the origin only where nothing stored answers, and \
tells what would become of the response; nothing is stored. With --via it asks a running server instead, and explains its \
Cache-Status; what is on disk is told beside it.

Without any origin in the configuration, the URL's own is taken. It is explained as `millpond proxy` would take it with \
--proxy or an option of that command, and where the configuration can only be that command's: a file that names no origin, \
one that sets `forward` or `intercept`, or that listens on port 3142. A server asked with --via that says it is a forward \
proxy is asked again as one, for the whole URL.

Nothing but GET and HEAD is ever sent to an origin; a server is asked with GET, HEAD and QUERY, which asks for no change. \
The values of request fields and content are not printed.

Examples:
  millpond explain https://example.com/
  millpond explain https://example.com/api --default-ttl 60s --field 'Accept-Language: de' --json
  millpond explain /products --config millpond.toml --no-fetch
  millpond explain /search -X QUERY -H 'Content-Type: application/json' --body query.json --config millpond.toml
  millpond explain http://deb.debian.org/debian/dists/stable/InRelease --preset apt
  millpond explain --via http://127.0.0.1:3000/products
  millpond explain http://deb.debian.org/debian/ --via http://127.0.0.1:3142

Exit codes: 0 the request, or the next one after it, is answered from the cache; 1 it is not, or something failed; \
2 wrong usage; 78 wrong configuration.")]
pub(crate) struct ExplainArgs {
    /// The URL, as clients or as the cache name it; or its path, where there is an origin [default: that of --via]
    #[arg(value_name = "URL", required_unless_present = "via")]
    pub url: Option<String>,
    /// A request field to send, as 'Name: value' (repeatable)
    #[arg(long = "field", short = 'H', value_name = "FIELD")]
    pub fields: Vec<String>,
    /// The method of the request [default: GET, and POST with content]
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub method: Option<String>,
    /// Content of the request, as curl would send it
    #[arg(long, short, value_name = "TEXT", conflicts_with = "body")]
    pub data: Option<String>,
    /// A file with the content of the request, taken as it is; - for standard input
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Origin of the server, as for `serve`
    #[arg(long, value_name = "URL", conflicts_with = "proxy")]
    pub origin: Option<String>,
    /// Explain it as `millpond proxy` would take it
    #[arg(long)]
    proxy: bool,
    /// Hosts whose TLS is opened, as for `proxy` (repeatable)
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    intercept: Vec<String>,
    /// Open the TLS of every host, as for `proxy`
    #[arg(long)]
    intercept_all: bool,
    /// Hosts whose TLS stays closed in any case, as for `proxy` (repeatable)
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    tunnel: Vec<String>,
    /// The only hosts clients may ask for, as for `proxy` (repeatable)
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow: Vec<String>,
    /// Ask a running server with only-if-cached, which makes it fetch nothing
    #[arg(long, value_name = "URL")]
    pub via: Option<String>,
    /// Ask the origin in any case; with --via let the server fetch
    #[arg(long, conflicts_with = "no_fetch")]
    pub fetch: bool,
    /// Do not ask the origin
    #[arg(long)]
    pub no_fetch: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

impl ExplainArgs {
    /// True where what was typed is about a forward proxy.
    pub fn names_a_proxy(&self) -> bool {
        let lists = [&self.intercept, &self.tunnel, &self.allow];
        self.proxy || self.intercept_all || lists.iter().any(|list| !list.is_empty())
    }

    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = self.common.settings();
        settings.set_some("--origin", "origin", self.origin.clone());
        settings.set_list("--intercept", "intercept.hosts", self.intercept.clone());
        settings.switch("--intercept-all", "intercept.all", self.intercept_all);
        settings.set_list("--tunnel", "intercept.tunnel", self.tunnel.clone());
        settings.set_list("--allow", "forward.allow", self.allow.clone());
        settings
    }

    /// The same with the defaults of `millpond proxy`.
    pub fn settings_of_a_proxy(&self) -> Settings {
        let mut settings = self.settings();
        ChildArgs::default().put(&mut settings);
        settings
    }
}
