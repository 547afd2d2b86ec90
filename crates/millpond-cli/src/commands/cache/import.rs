//! `millpond cache import`: takes over the responses of an older caching proxy, which kept each in a JSON file whose name
//! is the SHA-256 of `GET|` and the URL.

use super::admit::{self, Taken};
use super::named::{Line, lines_of};
use super::{Cache, count, import_tape, settle};
use crate::args::cache::ImportArgs;
use crate::commands::progress::Progress;
use crate::commands::{print, runtime, terminal};
use crate::failure::Failure;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use millpond::exchange::{Fields, RequestHead, ResponseHead, StatusCode, Timestamp, url};
use millpond::policy::{self, Times};
use millpond::sqlite::SqliteStore;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

/// Bytes that may wait to be written before more is read: far less than what a store lets wait.
pub(super) const MOST_WAITING: u64 = 8 << 20;
/// What an entry holds beyond its body, about.
pub(super) const OVERHEAD: u64 = 4096;

/// One file of the older program.
#[derive(Deserialize)]
struct Saved {
    status: u16,
    #[serde(default)]
    reason: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Why a URL of the list brought nothing.
enum Left {
    /// There is no file for it.
    NoFile,
    /// The cache does not take the response.
    NotTaken(admit::Left),
    /// The line is not a URL.
    Wrong(String),
    /// The file cannot be read.
    Unreadable { file: PathBuf, why: String },
}

#[derive(Default)]
struct Summary {
    taken: Taken,
    no_file: u64,
    wrong: u64,
    unreadable: u64,
    /// Files that no URL of the list named.
    left: Vec<String>,
}

/// Takes over every response that a URL of the list names.
pub(super) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.common.settings();
    if args.tape.is_none() {
        settings.fall_back("preset", "caching-proxy");
    }
    let cache = Cache::named_by(&settings)?;
    if let Some(tape) = &args.tape {
        return import_tape::run(&cache, tape, args.json);
    }
    let (Some(dir), Some(urls)) = (&args.dir, &args.urls) else {
        return Err(Failure::Usage("name a directory and its --urls, or a --tape".into()));
    };
    let urls = lines_of(urls)?;
    let mut files = files_of(dir)?;
    let store = cache.open()?;
    let mut progress = Progress::new("imported");
    let mut summary = Summary::default();
    runtime()?.block_on(async {
        let mut waiting = 0;
        for (done, line) in urls.iter().enumerate() {
            match import(&cache, &store, dir, line, &mut files).await? {
                Ok(bytes) => {
                    summary.taken.imported += 1;
                    waiting += bytes + OVERHEAD;
                }
                Err(left) => summary.add(line, left),
            }
            if waiting > MOST_WAITING {
                settle(&store).await?;
                waiting = 0;
            }
            progress.at(done as u64 + 1, urls.len() as u64);
        }
        settle(&store).await
    })?;
    drop(progress);
    summary.left = files.into_iter().collect();
    print(&if args.json { summary.json() } else { summary.text() })?;
    Ok(if summary.unreadable + summary.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of the files that may be the older program's.
fn files_of(dir: &Path) -> Result<BTreeSet<String>, Failure> {
    let failed = |error| Failure::File { path: dir.to_owned(), error };
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(dir).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        names.extend(name.filter(|_| path.extension().is_some_and(|end| end == "json")).map(str::to_owned));
    }
    Ok(names)
}

/// Takes over the response for one URL, and its file off the list of files. Gives the length of its body.
async fn import(
    cache: &Cache,
    store: &SqliteStore,
    dir: &Path,
    line: &Line,
    files: &mut BTreeSet<String>,
) -> Result<Result<u64, Left>, Failure> {
    let normal = match url::normalise(&line.text) {
        _ if !line.valid => return Ok(Err(Left::Wrong("it is not UTF-8".to_owned()))),
        Ok(normal) => normal,
        Err(error) => return Ok(Err(Left::Wrong(format!("{}: {error}", line.text)))),
    };
    let Some(name) =
        [&line.text, &normal].map(|url| file_name(url)).into_iter().find(|name| files.remove(name))
    else {
        return Ok(Err(Left::NoFile));
    };
    let file = dir.join(name);
    let (head, body, at) = match read(&file) {
        Ok(response) => response,
        Err(why) => return Ok(Err(Left::Unreadable { file, why })),
    };
    let (scheme, authority, path) =
        url::split(&normal).map_err(|error| Failure::Usage(line.wrong(&error.to_string())))?;
    let request = RequestHead { scheme, ..RequestHead::get(authority, path) };
    let times = Times { request_time: at, response_time: at };
    let length = body.len() as u64;
    let mut writer = match admit::begin(cache, store, &request, &head, times, length).await? {
        Ok(writer) => writer,
        Err(left) => return Ok(Err(Left::NotTaken(left))),
    };
    if !body.is_empty() {
        writer.write(body.into()).await?;
    }
    writer.commit(Fields::new()).await?;
    Ok(Ok(length))
}

fn file_name(url: &str) -> String {
    let digest = Sha256::digest(format!("GET|{url}"));
    let mut name = String::with_capacity(69);
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".json"
}

/// The response in a file, and when it was saved.
fn read(file: &Path) -> Result<(ResponseHead, Vec<u8>, Timestamp), String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let saved: Saved = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let body = BASE64_STANDARD.decode(saved.body.trim()).map_err(|error| format!("`body`: {error}"))?;
    let status = StatusCode::from_u16(saved.status).map_err(|error| format!("`status`: {error}"))?;
    let mut head = ResponseHead::new(status);
    let standard = status.canonical_reason().unwrap_or_default();
    head.reason =
        Some(saved.reason).filter(|reason| !reason.is_empty() && reason != standard).map(Into::into);
    for (name, value) in &saved.headers {
        head.fields.append(name, value).map_err(|error| format!("`headers`, {name:?}: {error}"))?;
    }
    let announced = head.fields.get_str("content-length").map(str::parse::<usize>);
    if announced.is_some_and(|length| length != Ok(body.len())) {
        return Err(format!("the body has {} bytes, and Content-Length says otherwise", body.len()));
    }
    policy::remove_connection_fields(&mut head.fields);
    Ok((head, body, saved_at(file)?))
}

/// The time of a file is that of its response.
fn saved_at(file: &Path) -> Result<Timestamp, String> {
    let modified = file.metadata().and_then(|file| file.modified()).map_err(|error| error.to_string())?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

impl Summary {
    fn add(&mut self, line: &Line, left: Left) {
        match left {
            Left::Wrong(why) => {
                eprintln!("{}", line.wrong(&why));
                self.wrong += 1;
            }
            Left::NoFile => self.no_file += 1,
            Left::NotTaken(left) => {
                if let admit::Left::Refused(reason) = &left {
                    let url = terminal::plain(&line.text);
                    eprintln!("{url}: refused ({reason}): {}", reason.explain());
                }
                self.taken.leave(&left);
            }
            Left::Unreadable { file, why } => {
                eprintln!("{}: cannot be read, and is left out: {}", file.display(), terminal::plain(&why));
                self.unreadable += 1;
            }
        }
    }

    fn text(&self) -> String {
        let mut out = self.taken.text();
        if self.unreadable > 0 {
            let _ =
                writeln!(out, "Left out {} that cannot be read.", count(self.unreadable, "file", "files"));
        }
        if self.wrong > 0 {
            let _ = writeln!(
                out,
                "Left out {}.",
                count(self.wrong, "line that is no URL", "lines that are no URLs")
            );
        }
        if self.no_file > 0 {
            let _ = writeln!(out, "Found no file for {}.", count(self.no_file, "URL", "URLs"));
        }
        if !self.left.is_empty() {
            let number = count(self.left.len() as u64, "file", "files");
            let _ = writeln!(out, "No URL of the list named {number}:");
        }
        for name in &self.left {
            let _ = writeln!(out, "  {}", terminal::plain(name));
        }
        out
    }

    fn json(&self) -> String {
        let Taken { imported, refused, older } = &self.taken;
        let value = json!({
            "imported": imported, "refused": refused, "older": older,
            "unreadable": self.unreadable, "wrong": self.wrong, "no_file": self.no_file, "left": self.left,
        });
        format!("{value:#}\n")
    }
}
