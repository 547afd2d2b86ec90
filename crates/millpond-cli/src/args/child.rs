//! `-- CMD`: the command that runs behind a proxy of its own, as typed.

use crate::settings::Settings;
use clap::Args;
use std::ffi::OsString;

/// Where a forward proxy listens that runs by itself.
const LISTEN: &str = "127.0.0.1:3142";
/// Where one listens that runs for a command: on a free port.
const LISTEN_FOR_COMMAND: &str = "127.0.0.1:0";

/// How the command is run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChildArgs {
    /// Hosts that CMD shall not ask through the proxy, separated by commas; they are neither cached nor recorded
    #[arg(long, value_name = "LIST")]
    pub no_proxy: Option<String>,
    /// Print the totals at the end as JSON
    #[arg(long)]
    pub json: bool,
    /// Print neither the address nor totals
    #[arg(long, short)]
    pub quiet: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

impl ChildArgs {
    /// The defaults of a proxy that runs for a command, or by itself. Standard error is the command's as well, so that there
    /// a proxy says only what somebody has to look at.
    pub fn put(&self, settings: &mut Settings) {
        settings.fall_back("listen", if self.command.is_empty() { LISTEN } else { LISTEN_FOR_COMMAND });
        if !self.command.is_empty() {
            settings.fall_back("log.level", "warn");
            settings.fall_back("access_log.console", "false");
        }
    }
}
