//! The command line of `millpond cache`, as typed.

use super::tape::OutArgs;
use super::{CommonArgs, PlaceArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Look at, purge, fill, check and save what is stored on disk.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millpond cache ls --prefix https://example.com/img/
  millpond cache purge --url https://example.com/index.html
  millpond cache stats --cache-dir /var/cache/millpond

Every command works beside running servers: a purge reaches their memory too, at once.
Exit codes: 0 success, 1 failure or something was found wrong, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub action: CacheAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what is stored, in order of URL
    Ls(LsArgs),
    /// Tell everything about the responses stored for a URL
    Show(ShowArgs),
    /// Remove responses, or mark them stale
    Purge(PurgeArgs),
    /// Fetch URLs into the cache
    Warm(WarmArgs),
    /// Count what is stored and what it takes
    Stats(StatsArgs),
    /// Check everything that is stored
    Verify(VerifyArgs),
    /// Save the cache while servers go on using it
    Backup(BackupArgs),
    /// Take over the responses of an older caching proxy, or those on a tape
    Import(ImportArgs),
    /// Write what is stored on a tape
    Export(ExportArgs),
}

/// List what is stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns, separated by tabs: status, bytes of body, when it was stored, until when it is fresh, hits, URL. Hits: \
answers taken from the disk, as far as that has been written; what memory answers is not counted. On a terminal a line with their names comes first.

Examples:
  millpond cache ls
  millpond cache ls --host example.com --status 404
  millpond cache ls --tag product-7 --json
  millpond cache ls | cut -f6 > urls.txt

Exit codes: 0 success (also when nothing matches), 1 there is no cache or it cannot be read.")]
pub(crate) struct LsArgs {
    /// Only URLs that begin with this
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Only URLs of this host (with its port, unless it is the default one)
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Only responses with this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Only responses with this status code
    #[arg(long, value_name = "CODE")]
    pub status: Option<u16>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Tell everything about the responses stored for a URL.
#[derive(Debug, Args)]
#[command(after_help = "\
The URL may be one that clients use: with the server's --config (and --set), its routes and query rules make of it what the \
server makes of it.

Examples:
  millpond cache show https://example.com/index.html
  millpond cache show https://example.com/index.html --json

Exit codes: 0 success, 1 nothing is stored for the URL, or there is no cache, or it cannot be read.")]
pub(crate) struct ShowArgs {
    /// The URL, absolute
    #[arg(value_name = "URL")]
    pub url: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Remove responses, or mark them stale.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("selector").required(true).multiple(false)
        .args(["url", "prefix", "tag", "group", "host", "all"]),
    after_help = "\
Exactly one of --url, --prefix, --tag, --group, --host and --all says what. Running servers on the same directory stop \
using what is purged at once. A URL may be one that clients use: with the server's --config (and --set), the routes and \
query rules make of it what the server makes of it.

Examples:
  millpond cache purge --url https://example.com/index.html
  millpond cache purge --prefix https://example.com/img/ --soft
  millpond cache purge --tag product-7 --origin https://shop.example
  millpond cache purge --group menu --origin https://shop.example
  millpond cache purge --all

Exit codes: 0 success (also when nothing matched), 1 there is no cache or it cannot be written, 2 wrong usage.")]
pub(crate) struct PurgeArgs {
    /// Every response of this URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Every response whose URL begins with this: at least a scheme and a whole host
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Every response with this tag (Cache-Tag, Surrogate-Key), of any origin unless --origin is given
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Every response in this cache group (RFC 9875) of --origin
    #[arg(long, value_name = "GROUP", requires = "origin")]
    pub group: Option<String>,
    /// Every response of this host (with its port, unless it is the default one)
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
    /// The origin whose tag or group is meant
    #[arg(long, value_name = "URL", conflicts_with_all = ["url", "prefix", "host", "all"])]
    pub origin: Option<String>,
    /// Mark stale instead of removing: the next request validates, or is answered stale while the origin is asked
    #[arg(long)]
    pub soft: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Fetch URLs into the cache.
#[derive(Debug, Args)]
#[command(after_help = "\
The file has one URL a line; what follows a # at the beginning of a line is a comment, and a line that begins with / is a \
path below --origin. A URL must be one of the origin or of a route; lines that are not are told and left out. The \
requests take the way they would take through `millpond serve` with the same options.

Examples:
  millpond cache warm urls.txt --origin https://example.com
  millpond cache ls --host example.com | cut -f6 | millpond cache warm - --origin https://example.com
  millpond cache warm urls.txt --config millpond.toml --concurrency 16

Exit codes: 0 success, 1 a URL could not be fetched or used, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct WarmArgs {
    /// File with the URLs; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Origin to fetch from, as for `serve`
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// How many URLs are fetched at one time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Count what is stored and what it takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Limits are printed where options, the environment or a configuration file set them: the file does not tell those of the \
servers. Hits are answers taken from the disk; what memory answers is not counted.

Examples:
  millpond cache stats
  millpond cache stats --json --cache-dir /var/cache/millpond

Exit codes: 0 success, 1 there is no cache or it cannot be read.")]
pub(crate) struct StatsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Check everything that is stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Checks the database's structure, the facts and the body of every response, the files beside it, and the sums. Servers may \
go on; what they write meanwhile is not taken for a mistake. While the structure is checked, which takes longer the \
larger the database is, the log of servers grows by what they write. With --repair what is broken is removed: it will \
be fetched again.

Examples:
  millpond cache verify
  millpond cache verify --repair

Exit codes: 0 nothing is wrong, or all that was wrong is repaired; 1 something is wrong, or there is no cache.")]
pub(crate) struct VerifyArgs {
    /// Remove what is broken
    #[arg(long)]
    pub repair: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Save the cache while servers go on using it.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes the database into FILE and the larger bodies into FILE-bodies/, for you alone; the bodies are hard links where \
FILE is on the same file system and nobody else may read them. What servers store or remove meanwhile is in the copy or \
not. A FILE called millpond.db opens as a cache: give its directory as --cache-dir.

Examples:
  millpond cache backup /backup/monday/millpond.db
  millpond serve --origin https://example.com --cache-dir /backup/monday --offline

Exit codes: 0 success, 1 FILE exists already, or there is no cache, or the copy failed.")]
pub(crate) struct BackupArgs {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Take over responses from elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "\
The directory holds a file for each response, called by the SHA-256 of `GET|` and the URL with `.json` at its end: a JSON \
object with `status`, `reason`, `headers` (pairs of name and value) and `body` (base64). A name cannot be turned back into \
its URL, so the URLs come from a list, one a line. What the cache would not store today is not taken over; the preset is \
caching-proxy unless another is chosen.

With --tape, the responses to GET on a tape of `millpond record`, mitmproxy or a HAR: as they were recorded, and as far as a \
cache with this configuration would have stored them then. What was redacted stays redacted.

Examples:
  millpond cache import ~/.cache/caching-proxy --urls urls.txt
  millpond cache import --tape recording.har --default-ttl 7d
  millpond cache import ~/.cache/caching-proxy --urls urls.txt --default-ttl 7d

Exit codes: 0 success, 1 a file could not be read or a line is no URL, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct ImportArgs {
    /// The directory with the JSON files
    #[arg(value_name = "DIR", required_unless_present = "tape")]
    pub dir: Option<PathBuf>,
    /// File with the URLs, one a line; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "tape")]
    pub urls: Option<PathBuf>,
    /// The tape, or a directory of tapes, instead
    #[arg(long, value_name = "TAPE", conflicts_with_all = ["dir", "urls"])]
    pub tape: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Write what is stored on a tape.
#[derive(Debug, Args)]
#[command(after_help = "\
Every whole response to GET, with the request fields that it varies on; credentials among these are not kept, and so not \
written. The format is told from the ending of OUT (.mitm, .flow, .flows; .json, .jsonl; .har), unless --format is given.

Examples:
  millpond cache export cache.har
  millpond cache export - --format json --prefix https://example.com/ | jq .request.url

Exit codes: 0 success, 1 there is no cache, or it cannot be read, or the tape not be written, 2 wrong usage.")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub out: OutArgs,
    /// Only URLs that begin with this
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    #[command(flatten)]
    pub place: PlaceArgs,
}
