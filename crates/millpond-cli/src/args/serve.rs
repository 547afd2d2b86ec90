//! The command line of `millpond serve`, and the options of every command that serves.

use super::CommonArgs;
use crate::settings::Settings;
use clap::Args;
use std::path::PathBuf;

/// Cache in front of one or many origins.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millpond serve --origin https://example.com
  millpond serve --origin http://127.0.0.1:8000 --listen 127.0.0.1:0 --default-ttl 60s
  millpond serve --origin https://example.com --cache-dir /var/cache/millpond
  millpond serve --config millpond.toml --access-log access.log --access-log-format json")]
pub(crate) struct ServeArgs {
    /// Origin to cache: http or https, a host, and optionally a path that goes before every request's
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
    /// Send the client's Host to the origin, and keep what is stored apart by it
    #[arg(long)]
    preserve_host: bool,
    /// Serve what is stored at any age, and fetch nothing
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    work: WorkArgs,
}

impl From<ServeArgs> for Settings {
    fn from(args: ServeArgs) -> Self {
        let mut settings = args.common.settings();
        settings.set_some("--origin", "origin", args.origin);
        settings.set_some("--listen", "listen", args.listen);
        settings.switch("--preserve-host", "preserve_host", args.preserve_host);
        settings.switch("--offline", "offline", args.offline);
        args.work.put(&mut settings);
        settings
    }
}

/// How a server works, and what it says meanwhile.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WorkArgs {
    /// Worker threads; 0 is one for each core
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// File for the access log
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Format of the access log: text or json
    #[arg(long, value_name = "FORMAT")]
    access_log_format: Option<String>,
    /// Keep the access log off the console
    #[arg(long)]
    no_access_log_console: bool,
    /// How much millpond says about itself: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl WorkArgs {
    /// Puts these options into `settings`.
    pub fn put(self, settings: &mut Settings) {
        settings.set_some("--workers", "workers", self.workers.map(|workers| workers.to_string()));
        settings.set_path("--access-log", "access_log.file", self.access_log.as_deref());
        settings.set_some("--access-log-format", "access_log.format", self.access_log_format);
        settings.set_some("--log-level", "log.level", self.log_level);
        let console = self.no_access_log_console.then(|| "false".to_owned());
        settings.set_some("--no-access-log-console", "access_log.console", console);
    }
}
