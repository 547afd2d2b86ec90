//! The command line, as typed.

pub(crate) mod ca;
pub(crate) mod cache;
pub(crate) mod child;
pub(crate) mod explain;
pub(crate) mod forward;
pub(crate) mod record;
pub(crate) mod serve;
pub(crate) mod tape;

use crate::settings::Settings;
use ca::CaArgs;
use cache::CacheArgs;
use clap::{Args, Parser, Subcommand};
use explain::ExplainArgs;
use forward::{ProxyArgs, RunArgs};
use record::{RecordArgs, ReplayArgs};
use serve::ServeArgs;
use std::path::PathBuf;
use tape::TapeArgs;

/// An HTTP cache for every place where the same request is made twice.
#[derive(Debug, Parser)]
#[command(name = "millpond", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub short: ShortForm,
}

const EXAMPLES: &str = "\
Examples:
  millpond serve --origin https://example.com         cache what the origin allows
  millpond --port 3000 --origin https://example.com   also keeps what says nothing about caching
  millpond proxy                                      a forward proxy: HTTP_PROXY=http://127.0.0.1:3142
  millpond record --tape tapes -- pytest              run a command, and keep every exchange it makes
  millpond replay --tape tapes -- pytest              run it again, without the network
  millpond cache purge --tag product-7                remove what is stored
  millpond demo                                       see it work in ten seconds
  millpond explain https://example.com/               why a URL would hit, miss or be refused

Exit codes: 0 success, 1 failure while running, 2 wrong usage, 78 wrong configuration. With `-- CMD` the exit code is \
that of CMD; 125 stands for a failure of millpond itself, 126 and 127 for a CMD that cannot be run or found.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Cache in front of one or many origins
    Serve(ServeArgs),
    /// Cache between clients and the internet: a forward proxy
    Proxy(ProxyArgs),
    /// Record every exchange on tape
    Record(RecordArgs),
    /// Answer from tapes, without any network
    Replay(ReplayArgs),
    /// Run a command behind the forward proxy
    Run(RunArgs),
    /// Look at, purge, fill, check and save what is stored on disk
    Cache(CacheArgs),
    /// Look at, convert, merge, redact and check tapes
    Tape(TapeArgs),
    /// The certificate authority for opening TLS, and how clients come to trust it
    Ca(CaArgs),
    /// A slow sample origin and the proxy in one, to see it work in ten seconds
    Demo(DemoArgs),
    /// Tell why a URL would hit, miss or be refused
    Explain(ExplainArgs),
    /// Check, show or start a configuration
    Config(ConfigArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  millpond completions bash > /etc/bash_completion.d/millpond")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  millpond man > millpond.1 && man ./millpond.1")]
    Man,
}

/// `millpond --port N --origin URL`: serve with the preset `caching-proxy`.
#[derive(Debug, Args)]
pub(crate) struct ShortForm {
    /// Port to listen on, on 127.0.0.1 (short form of `serve` with preset caching-proxy)
    #[arg(long, requires = "origin", value_name = "N")]
    port: Option<u16>,
    /// Origin to cache
    #[arg(long, requires = "port", value_name = "URL")]
    origin: Option<String>,
    /// How long to keep responses that say nothing of freshness [default: until purged]
    #[arg(long, requires = "port", value_name = "DURATION")]
    cache_ttl: Option<String>,
    /// Remove everything that is stored, and end (short form of `cache purge --all`)
    #[arg(long, conflicts_with = "port")]
    pub clear_cache: bool,
    /// Directory for what is kept on disk [default: $XDG_CACHE_HOME/millpond, else ~/.cache/millpond]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

impl ShortForm {
    /// The place that `--clear-cache` clears.
    pub fn place(&self) -> PlaceArgs {
        PlaceArgs { cache_dir: self.cache_dir.clone(), ..PlaceArgs::default() }
    }

    /// The settings it stands for, if it was used.
    pub fn into_settings(self) -> Option<Settings> {
        let (port, origin) = (self.port?, self.origin?);
        let mut settings = Settings::new(None, Some("caching-proxy".into()));
        settings.set("--port", "listen", format!("127.0.0.1:{port}"));
        settings.set("--origin", "origin", origin);
        settings.set_some("--cache-ttl", "policy.default_ttl", self.cache_ttl.map(in_seconds));
        settings.set_path("--cache-dir", "cache_dir", self.cache_dir.as_deref());
        Some(settings)
    }
}

/// A bare number is seconds here: the programs this short form stands in for took one.
fn in_seconds(ttl: String) -> String {
    if ttl.bytes().all(|b| b.is_ascii_digit()) && !ttl.is_empty() { ttl + "s" } else { ttl }
}

/// Options that say where the settings are, and where the cache lies.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlaceArgs {
    /// Directory for what is kept on disk [default: $XDG_CACHE_HOME/millpond, else ~/.cache/millpond]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Preset whose values stand below the file's
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Set any other value, such as memory.size=256MiB (repeatable)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

impl PlaceArgs {
    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.config.clone(), self.preset.clone());
        settings.set_path("--cache-dir", "cache_dir", self.cache_dir.as_deref());
        settings.assign(&self.set);
        settings
    }
}

/// Options every command that needs a whole configuration takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What keeps responses behind the memory tier: sqlite or memory [default: sqlite]
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// Lifetime for responses that say nothing of freshness, such as 60s
    #[arg(long, value_name = "DURATION")]
    pub default_ttl: Option<String>,
    /// Lifetime for every 2xx and 3xx, whatever the response says
    #[arg(long, value_name = "DURATION")]
    pub force_cache: Option<String>,
    /// PEM file of certificates to trust towards origins, beside the platform's
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
}

impl CommonArgs {
    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = self.place.settings();
        settings.set_some("--store", "store", self.store.clone());
        settings.set_some("--default-ttl", "policy.default_ttl", self.default_ttl.clone());
        settings.set_some("--force-cache", "policy.force_cache", self.force_cache.clone());
        settings.set_path("--upstream-ca", "upstream_ca", self.upstream_ca.as_deref());
        settings
    }
}

/// A slow sample origin and the proxy in one.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  millpond demo            then, in another shell: curl -i http://127.0.0.1:3000/products"
)]
pub(crate) struct DemoArgs {
    /// Address the proxy listens on; port 0 picks a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// End after the sample requests instead of staying up
    #[arg(long)]
    pub once: bool,
}

/// Check, show or start a configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millpond config init > millpond.toml
  millpond config check --config millpond.toml
  millpond config show --origin --preset gateway")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Say everything that is wrong with a configuration
    #[command(after_help = "Example:\n  millpond config check --config millpond.toml")]
    Check {
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Print the configuration in force
    #[command(after_help = "Example:\n  millpond config show --origin --config millpond.toml")]
    Show {
        #[command(flatten)]
        common: CommonArgs,
        /// Tell where each value came from
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration file
    #[command(after_help = "Example:\n  millpond config schema > millpond.schema.json")]
    Schema,
    /// Print a commented file to start from
    #[command(after_help = "Example:\n  millpond config init > millpond.toml")]
    Init,
}
