//! The log of requests: one line each, text or JSON, to a file, the console, or both.
//!
//! Lines are gathered in memory and written in blocks, by the worker's ticking task or when a block is full, so that a hit costs no
//! system call here.

use crate::note::Note;
use millpond_config::{AccessLog as Settings, AccessLogFormat};
use millpond_exchange::{Scheme, Timestamp};
use millpond_front::{ConnInfo, Finished, Outcome, Refusal};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Lines are written once this many bytes have gathered.
const BLOCK: usize = 64 * 1024;

/// Names of query parameters, or parts of names, whose values are secrets often enough not to be logged. Wider than what is kept off
/// tapes (`millpond_tape::redact::PARAMS`), and not a setting: nothing is lost with a value that is missing here, while requests
/// that differ only in such a value are the same to a tape.
const SECRET_NAMES: [&str; 21] = [
    "assertion",
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "pass",
    "signature",
    "sig",
    "auth",
    "code",
    "credential",
    "credentials",
    "bearer",
    "jwt",
    "otp",
    "pin",
    "sid",
    "session",
    "sessionid",
];

/// One request, as logged.
struct Line<'a> {
    time: Timestamp,
    peer: Option<IpAddr>,
    method: &'a str,
    /// Scheme and authority, where the target is shown as a whole URL.
    origin: Option<(Scheme, &'a str)>,
    target: &'a str,
    note: &'a Note,
    outcome: Outcome,
}

/// Where request lines go. One for each worker.
pub(crate) struct AccessLog {
    format: AccessLogFormat,
    console: bool,
    file: Option<(PathBuf, File)>,
    block: Mutex<Block>,
}

/// Lines that wait to be written, and the last time stamp: most lines share their second with the one before.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    second: Option<i64>,
    /// `2026-01-31T23:59:59.`
    stamp: String,
}

impl AccessLog {
    /// Opens the file, if there is to be one, for appending.
    pub fn open(settings: &Settings) -> io::Result<Option<Self>> {
        let off = settings.format == AccessLogFormat::Off;
        if off || (!settings.console && settings.file.is_none()) {
            return Ok(None);
        }
        let file = match &settings.file {
            Some(path) => Some((path.clone(), append_to(path)?)),
            None => None,
        };
        let block = Mutex::new(Block::default());
        Ok(Some(Self { format: settings.format, console: settings.console, file, block }))
    }

    /// A reply that was given. `whole` shows targets as whole URLs, unless its note has the target as it is to be shown.
    pub fn finished(&self, done: &Finished<'_, Note>, time: Timestamp, whole: bool) {
        let (method, target) = match (done.request, &done.log.request) {
            (Some(request), _) => (request.head.method.as_str(), request.head.path_and_query.as_str()),
            (None, Some((method, target))) => (method.as_str(), target.as_str()),
            (None, None) => ("-", "-"),
        };
        let head = done.request.filter(|_| whole).map(|request| &request.head);
        let origin = head.map(|head| (head.scheme, head.authority.as_str()));
        let peer = done.conn.peer.map(|peer| peer.ip());
        self.write(&Line { time, peer, method, origin, target, note: &done.log, outcome: done.outcome });
    }

    /// A request that is none. `request_id` is that of the front's answer; where there is none, as to broken frames of HTTP/2,
    /// the line has `-` in its place.
    pub fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>, time: Timestamp) {
        let note = Note {
            outcome: "refused",
            reason: Some(refusal.name()),
            ..Note::new(request_id.unwrap_or("-").to_owned(), &Arc::from(""))
        };
        let outcome = Outcome {
            status: refusal.status(),
            body_bytes: 0,
            complete: true,
            first_byte: Duration::ZERO,
            total: Duration::ZERO,
        };
        let peer = conn.peer.map(|peer| peer.ip());
        self.write(&Line { time, peer, method: "-", origin: None, target: "-", note: &note, outcome });
    }

    fn write(&self, line: &Line<'_>) {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        match self.format {
            AccessLogFormat::Text => text(&mut block, line),
            AccessLogFormat::Json => {
                let written = json(&mut block.bytes, line);
                debug_assert!(written.is_ok(), "writing to memory does not fail");
            }
            AccessLogFormat::Off => {}
        }
        if block.bytes.len() >= BLOCK {
            self.put(&mut block.bytes);
        }
    }

    /// Writes what has gathered.
    pub fn flush(&self) {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if !block.bytes.is_empty() {
            self.put(&mut block.bytes);
        }
    }

    fn put(&self, block: &mut Vec<u8>) {
        if let Some((path, file)) = &self.file
            && let Err(error) = (&*file).write_all(block)
        {
            tracing::error!(path = %path.display(), %error, "access log lines lost");
        }
        if self.console
            && let Err(error) = io::stderr().lock().write_all(block)
        {
            tracing::error!(%error, "access log lines for the console lost");
        }
        block.clear();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// One line of text. Put together by hand: formatting would cost more than everything else a hit does here.
fn text(block: &mut Block, line: &Line<'_>) {
    block.stamp(line.time);
    let Line { note, outcome, .. } = line;
    let out = &mut block.bytes;
    out.push(b' ');
    match line.peer {
        Some(IpAddr::V4(peer)) => {
            for (at, octet) in peer.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                number(out, u64::from(octet));
            }
        }
        Some(peer) => out.extend_from_slice(peer.to_string().as_bytes()),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" \"");
    out.extend_from_slice(line.method.as_bytes());
    out.push(b' ');
    let shown = out.len();
    shown_target(out, line);
    escape_from(out, shown);
    out.extend_from_slice(b"\" ");
    number(out, u64::from(outcome.status.as_u16()));
    out.push(b' ');
    number(out, outcome.body_bytes);
    for word in [note.outcome, note.reason.unwrap_or("-")] {
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
    }
    out.push(b' ');
    number(out, outcome.total.as_micros() as u64);
    out.push(b' ');
    out.extend_from_slice(note.request_id.as_bytes());
    if !outcome.complete {
        out.extend_from_slice(b" cut");
    }
    out.push(b'\n');
}

/// Writes what `out` has from `start` on so that it ends neither its quotes nor its line: as `\xHH`.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let plain = |b: &u8| matches!(*b, b' '..=b'~') && !matches!(*b, b'"' | b'\\');
    if out[start..].iter().all(plain) {
        return;
    }
    for byte in out.split_off(start) {
        if plain(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
        }
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

impl Block {
    /// Appends `time` in the form of RFC 3339, with milliseconds.
    fn stamp(&mut self, time: Timestamp) {
        if self.second != Some(time.as_secs()) {
            self.second = Some(time.as_secs());
            self.stamp = rfc3339(Timestamp::from_secs(time.as_secs())).to_string();
            self.stamp.truncate("2026-01-31T23:59:59.".len());
        }
        self.bytes.extend_from_slice(self.stamp.as_bytes());
        let millis = time.as_millis().rem_euclid(1000) as u16;
        self.bytes.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
        self.bytes.push(b'Z');
    }
}

fn json(out: &mut Vec<u8>, line: &Line<'_>) -> io::Result<()> {
    let Line { note, outcome, .. } = line;
    let mut shown = Vec::with_capacity(line.target.len());
    shown_target(&mut shown, line);
    let value = serde_json::json!({
        "time": rfc3339(line.time).to_string(),
        "client": line.peer,
        "method": line.method,
        "target": String::from_utf8_lossy(&shown),
        "status": outcome.status.as_u16(),
        "bytes": outcome.body_bytes,
        "cache": note.outcome,
        "reason": note.reason,
        "first_byte_us": outcome.first_byte.as_micros() as u64,
        "total_us": outcome.total.as_micros() as u64,
        "route": &*note.route,
        "request_id": note.request_id,
        "complete": outcome.complete,
    });
    serde_json::to_writer(&mut *out, &value)?;
    out.push(b'\n');
    Ok(())
}

fn rfc3339(time: Timestamp) -> humantime::Rfc3339Timestamp {
    let since = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since)
}

fn shown_target(out: &mut Vec<u8>, line: &Line<'_>) {
    if let Some((scheme, authority)) = line.origin {
        for piece in [scheme.as_str(), "://", authority] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
    target(out, line.target);
}

/// The target, with the values of parameters that look secret left out.
fn target(out: &mut Vec<u8>, target: &str) {
    let Some((path, query)) = target.split_once('?') else {
        out.extend_from_slice(target.as_bytes());
        return;
    };
    out.extend_from_slice(path.as_bytes());
    out.push(b'?');
    for piece in query.split_inclusive(['&', ';']) {
        let parameter = piece.trim_end_matches(['&', ';']);
        match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"=[redacted]");
            }
            _ => out.extend_from_slice(parameter.as_bytes()),
        }
        out.extend_from_slice(&piece.as_bytes()[parameter.len()..]);
    }
}

/// True for `token`, `api_key`, `auth[0]`, `X-Amz-Signature` and their like.
fn is_secret(name: &str) -> bool {
    let name = plain(name).to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| SECRET_NAMES.contains(&part))
        || SECRET_NAMES.iter().any(|secret| secret.len() > 4 && name.contains(secret))
        || name.ends_with("key")
}

/// `name` without percent-encoding, as the origin will read it: `%74oken` hides nothing from it.
fn plain(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let decoded = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
