//! The command line of `millpond record` and `millpond replay`, as typed.

use super::PlaceArgs;
use super::child::ChildArgs;
use super::serve::WorkArgs;
use crate::settings::Settings;
use clap::Args;
use std::path::PathBuf;

/// Record every exchange on tape.
#[derive(Debug, Args)]
#[command(after_help = "\
With `-- CMD`, starts a proxy on a free port, runs CMD with the variables that send it there and make it trust the proxy's \
certificates (`millpond ca env` prints them), and ends with it; without, records until SIGTERM. The TLS of every host is \
opened, but for those of --tunnel, which are not recorded. NO_PROXY is empty unless --no-proxy is given: loopback is recorded \
too. Standard output is CMD's alone; the address and the totals go to standard error.

Modes (--mode): write_only fetches and records everything, read_write answers from tape and records the rest, read_only \
answers from tape and fetches the rest, read_only_fail_on_miss is what `replay` does.

Each run writes a tape of its own into DIR/sessions; they are mitmproxy's flow files unless --format says otherwise. \
Authorization, Proxy-Authorization, Cookie and Set-Cookie, and members and parameters whose names say that they are \
secrets, are replaced: `millpond config show` lists them under tape.redact.

Examples:
  millpond record --tape tapes -- pytest tests/
  millpond record --tape tapes --mode read_write -- ./sync.sh
  millpond record --tape tapes --redact-field X-Api-Key --listen 127.0.0.1:8080
  millpond record --tape new --read-tape old --mode read_write --format json -- make test

Exit codes: that of CMD, 128 and the signal's number when a signal ended it; 125 failure of millpond itself, 126 CMD \
cannot be run, 127 CMD is not found. Without CMD: 0 stopped by SIGTERM or SIGINT, 1 failure while running, 2 wrong usage, \
78 wrong configuration.")]
pub(crate) struct RecordArgs {
    /// What is answered from tape, and what is recorded: read_only, write_only, read_write or read_only_fail_on_miss
    /// [default: write_only]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Format of the tape: mitm (or native), json or har [default: mitm]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Hosts whose TLS stays closed; what they say is not recorded
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    tunnel: Vec<String>,
    /// PEM file of certificates to trust towards origins, beside the platform's
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Record when each piece of a response came
    #[arg(long)]
    timing: bool,
    /// Leave secrets on the tape
    #[arg(long)]
    no_redact: bool,
    /// Further fields to redact
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    redact_field: Vec<String>,
    #[command(flatten)]
    tape: TapeDirArgs,
    #[command(flatten)]
    pub child: ChildArgs,
}

impl RecordArgs {
    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = self.tape.settings(&self.child);
        settings.fall_back("tape.mode", "write_only");
        settings.set_some("--mode", "tape.mode", self.mode.clone());
        settings.set_some("--format", "tape.format", self.format.clone());
        settings.set_list("--tunnel", "intercept.tunnel", self.tunnel.clone());
        settings.set_path("--upstream-ca", "upstream_ca", self.upstream_ca.as_deref());
        settings.switch("--timing", "tape.timing", self.timing);
        let redact = self.no_redact.then(|| "false".to_owned());
        settings.set_some("--no-redact", "tape.redact.enabled", redact);
        settings.set_list("--redact-field", "tape.redact.fields", self.redact_field.clone());
        settings
    }
}

/// What `record` and `replay` have in common: where tapes lie, and what makes requests the same.
#[derive(Clone, Debug, Default, Args)]
struct TapeDirArgs {
    /// Directory of the tapes
    #[arg(long = "tape", value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Directory of the tapes that answer, where it is another one
    #[arg(long, value_name = "DIR")]
    read_tape: Option<PathBuf>,
    /// Address the proxy listens on; port 0 picks a free one [default: 127.0.0.1:3142; with CMD a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Query parameters that do not count when a request is compared with recorded ones; * stands for all
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    ignore_query: Vec<String>,
    /// The body does not count
    #[arg(long)]
    ignore_body: bool,
    /// Parameters of a form, or members of a JSON body, that do not count
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    ignore_body_param: Vec<String>,
    /// Host and port do not count
    #[arg(long)]
    ignore_host: bool,
    /// Request fields that count as well
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    match_field: Vec<String>,
    /// What is answered when every recorded answer was given: last (again), loop (from the first on) or miss
    /// [default: last]
    #[arg(long, value_name = "HOW")]
    repeat: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    work: WorkArgs,
}

impl TapeDirArgs {
    fn settings(&self, child: &ChildArgs) -> Settings {
        let mut settings = self.place.settings();
        settings.fall_back("intercept.all", "true");
        settings.set_path("--tape", "tape.dir", self.dir.as_deref());
        settings.set_path("--read-tape", "tape.read_dir", self.read_tape.as_deref());
        settings.set_some("--listen", "listen", self.listen.clone());
        settings.set_list("--ignore-query", "tape.match.ignore_query", self.ignore_query.clone());
        settings.switch("--ignore-body", "tape.match.ignore_body", self.ignore_body);
        settings.set_list(
            "--ignore-body-param",
            "tape.match.ignore_body_params",
            self.ignore_body_param.clone(),
        );
        settings.switch("--ignore-host", "tape.match.ignore_host", self.ignore_host);
        settings.switch("--ignore-host", "tape.match.ignore_port", self.ignore_host);
        settings.set_list("--match-field", "tape.match.fields", self.match_field.clone());
        settings.set_some("--repeat", "tape.repeat", self.repeat.clone());
        self.work.clone().put(&mut settings);
        child.put(&mut settings);
        settings
    }
}

/// Answer from tapes, without any network.
#[derive(Debug, Args)]
#[command(after_help = "\
Answers every request from the tapes in DIR, and asks nobody: no name is resolved, no connection is opened. What no tape \
has is answered with --miss-status and a page that names the nearest recorded request, and what about it differs. With \
`-- CMD`, runs CMD with the variables that send it there; NO_PROXY is empty unless --no-proxy is given. Standard output is \
CMD's alone; the address and the totals go to standard error.

A request is a recorded one when method, URL and body are the same. Requests made several times get the recorded answers in \
their order, then as --repeat says.

Examples:
  millpond replay --tape tapes -- pytest tests/
  millpond replay --tape tapes --fail-on-miss -- ./sync.sh
  millpond replay --tape tapes --ignore-query _ timestamp --repeat loop
  millpond replay --tape tapes --miss-status 404 -- ./client

Exit codes: that of CMD, 128 and the signal's number when a signal ended it; with --fail-on-miss 1 when CMD succeeded in \
spite of misses; 125 failure of millpond itself, 126 CMD cannot be run, 127 CMD is not found. Without CMD: 0 stopped by \
SIGTERM or SIGINT, 1 failure while running, or misses with --fail-on-miss, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct ReplayArgs {
    /// Status of the answer to a request that no tape has [default: 504]
    #[arg(long, value_name = "N")]
    miss_status: Option<u16>,
    /// End with 1 when there were misses
    #[arg(long)]
    pub fail_on_miss: bool,
    /// Answer at the recorded pace, where that was recorded
    #[arg(long)]
    timing: bool,
    #[command(flatten)]
    tape: TapeDirArgs,
    #[command(flatten)]
    pub child: ChildArgs,
}

impl ReplayArgs {
    /// These options as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = self.tape.settings(&self.child);
        settings.set("replay", "tape.mode", "read_only_fail_on_miss".to_owned());
        settings.set_some(
            "--miss-status",
            "tape.miss_status",
            self.miss_status.map(|status| status.to_string()),
        );
        settings.switch("--timing", "tape.timing", self.timing);
        settings
    }
}
