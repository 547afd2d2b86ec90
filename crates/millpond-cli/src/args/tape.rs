//! The command line of `millpond tape`, as typed.

use super::PlaceArgs;
use clap::{Args, Subcommand, ValueEnum};
use millpond::tape::Format;
use millpond::tape::merge::Policy;
use std::path::PathBuf;

/// Look at, convert, merge, redact and check tapes.
#[derive(Debug, Args)]
#[command(after_help = "\
A tape is a file of recorded exchanges: flows of mitmproxy, JSON lines or HAR; which, is told from how it begins. A tape to \
read may be a directory of `millpond record` as well, for all its tapes, or - for standard input; one to write may be - for \
standard output. What is written appears under its name when it is whole, and only then.

Examples:
  millpond tape ls tapes
  millpond tape show tapes 3
  millpond tape convert tapes/sessions/2026-01-31T12-00-00Z-4711.mitm out.har
  millpond tape merge all.mitm tapes --keep last
  millpond tape verify tapes --repair

Exit codes: 0 success, 1 a tape cannot be read or written or something was found wrong, 2 wrong usage.")]
pub(crate) struct TapeArgs {
    #[command(subcommand)]
    pub action: TapeAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TapeAction {
    /// List what is on a tape, in its order
    Ls(LsArgs),
    /// Print one exchange
    Show(ShowArgs),
    /// Write a tape in another format
    Convert(ConvertArgs),
    /// Make one tape of several
    Merge(MergeArgs),
    /// Take secrets off a tape
    Redact(RedactArgs),
    /// Check that tapes are whole
    Verify(VerifyArgs),
}

/// List what is on a tape.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns, separated by tabs: number, when the request began, method, status (- where no response came, and with * where it \
broke off), bytes of the response's body (? where it was not recorded), milliseconds, URL. On a terminal a line with their \
names comes first. The number is what `tape show` takes.

Examples:
  millpond tape ls tapes
  millpond tape ls session.mitm --host api.example.com --json
  millpond tape ls recording.har | cut -f7 | sort | uniq -c

Exit codes: 0 success (also when nothing matches), 1 a tape cannot be read.")]
pub(crate) struct LsArgs {
    /// The tape
    #[arg(value_name = "TAPE")]
    pub tape: PathBuf,
    /// Only requests to this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Only requests with this method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Only responses with this status code
    #[arg(long, value_name = "CODE")]
    pub status: Option<u16>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Print one exchange.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints both heads as they were, and the bodies where they are text of at most 64 KiB. Secrets that are on the tape are \
printed too.

Examples:
  millpond tape show tapes 3
  millpond tape show session.mitm 3 --body response > answer.bin
  millpond tape show session.mitm 3 --json

Exit codes: 0 success, 1 the tape has no such exchange, or cannot be read.")]
pub(crate) struct ShowArgs {
    /// The tape
    #[arg(value_name = "TAPE")]
    pub tape: PathBuf,
    /// The number of the exchange, from 1, as `tape ls` prints it; or its id
    #[arg(value_name = "EXCHANGE")]
    pub exchange: String,
    /// Print a body and nothing else, without its content coding
    #[arg(long, value_name = "WHOSE")]
    pub body: Option<Side>,
    /// Print the exchange as a line of a JSON tape
    #[arg(long, conflicts_with = "body")]
    pub json: bool,
}

/// One of the two sides of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Write a tape in another format.
#[derive(Debug, Args)]
#[command(after_help = "\
The format is told from the ending of OUT (.mitm, .flow, .flows; .json, .jsonl; .har), unless --format is given. HAR \
cannot hold everything that the others can: trailers, and content as it was coded.

Examples:
  millpond tape convert session.mitm session.har
  millpond tape convert recording.har - --format json | jq .request.url
  millpond tape convert tapes all.mitm

Exit codes: 0 success, 1 a tape cannot be read or written, 2 wrong usage.")]
pub(crate) struct ConvertArgs {
    /// The tape to read
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    #[command(flatten)]
    pub out: OutArgs,
}

/// The tape that is written.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutArgs {
    /// The tape to write
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Its format: mitm (or native), json or har
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
}

/// Make one tape of several.
#[derive(Debug, Args)]
#[command(after_help = "\
The exchanges of all tapes in the order in which they were recorded. Of exchanges whose requests are the same (method, URL \
and body, or as tape.match of the configuration says) --keep chooses which stay; one that has a whole response is \
preferred to one that has not.

Examples:
  millpond tape merge all.mitm tapes
  millpond tape merge all.mitm monday.mitm tuesday.har --keep last

Exit codes: 0 success, 1 a tape cannot be read or written, 2 wrong usage.")]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub out: OutArgs,
    /// The tapes to read
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Which of exchanges with the same request stay: first, last or all
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub keep: Policy,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Take secrets off a tape.
#[derive(Debug, Args)]
#[command(after_help = "\
Replaces what `millpond record` would not have recorded: the values of Authorization, Proxy-Authorization, Cookie and \
Set-Cookie, and of fields, parameters and JSON members named in tape.redact (`millpond config show` lists them) or here. \
The same secret becomes the same placeholder all over the tape.

Examples:
  millpond tape redact session.mitm clean.mitm
  millpond tape redact session.mitm session.mitm --field X-Api-Key --json-member session_id
  millpond tape redact recording.har clean.har --config millpond.toml

Exit codes: 0 success, 1 a tape cannot be read or written, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct RedactArgs {
    /// The tape to read
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    #[command(flatten)]
    pub out: OutArgs,
    /// Further fields
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub field: Vec<String>,
    /// Further parameters of queries and forms
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub query: Vec<String>,
    /// Further members of JSON bodies
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub json_member: Vec<String>,
    /// Leave responses as they are
    #[arg(long)]
    pub requests_only: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Check that tapes are whole.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads every exchange with its bodies. A tape whose writer was stopped by force may end within an exchange: --repair cuts \
that off, and leaves what lies before.

Examples:
  millpond tape verify tapes
  millpond tape verify session.mitm --repair --json

Exit codes: 0 every tape is whole, or was repaired; 1 something is wrong, or a tape cannot be read.")]
pub(crate) struct VerifyArgs {
    /// The tapes
    #[arg(value_name = "TAPE", required = true)]
    pub tapes: Vec<PathBuf>,
    /// Cut off what a writer that was stopped by force left behind
    #[arg(long)]
    pub repair: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
