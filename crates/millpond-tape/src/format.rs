//! The formats, and opening a tape of whichever it is.

use crate::har::HarWriter;
use crate::json::JsonWriter;
use crate::mitm::MitmWriter;
use crate::window::Window;
use crate::{ReadAt, Recorded, TapeError, har, json, mitm};
use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

/// The format of a tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// mitmproxy's flows: lossless, and read by mitmproxy. `native` is another name for it.
    #[default]
    Mitm,
    /// One exchange a line, as JSON.
    Json,
    /// HTTP Archive 1.2.
    Har,
}

impl Format {
    /// The name in options and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mitm => "mitm",
            Self::Json => "json",
            Self::Har => "har",
        }
    }

    /// The usual ending of files, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mitm => "mitm",
            Self::Json => "jsonl",
            Self::Har => "har",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "mitm" | "native" => Ok(Self::Mitm),
            "json" => Ok(Self::Json),
            "har" => Ok(Self::Har),
            _ => Err(format!("{text:?} is no tape format: write mitm (or native), json or har")),
        }
    }
}

/// A tape being read: its exchanges in order, each with the byte it begins at. After an error there is nothing more.
pub type Tape = Box<dyn Iterator<Item = Result<(u64, Recorded), TapeError>> + Send>;

/// A tape being written.
pub trait TapeWriter: Send {
    /// Appends an exchange.
    ///
    /// # Errors
    /// What the system says of writing, or of reading the exchange's content.
    fn write(&mut self, exchange: &Recorded) -> Result<(), TapeError>;

    /// Ends the tape; one that is not ended is torn.
    ///
    /// # Errors
    /// What the system says of writing.
    fn finish(self: Box<Self>) -> Result<(), TapeError>;
}

/// How much of a tape is looked at to tell its format, bytes.
const BEGINNING: usize = 64 * 1024;

/// The format of `source`, by how it begins; an empty one passes for mitmproxy's.
///
/// # Errors
/// [`TapeError::Unknown`], or what the system says.
pub fn sniff(source: &dyn ReadAt) -> Result<Format, TapeError> {
    let mut window = Window::new(BEGINNING);
    let beginning = window.at(source, 0, BEGINNING)?;
    let text = beginning.strip_prefix("\u{feff}".as_bytes()).unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        None if beginning.is_empty() => Ok(Format::Mitm),
        Some(b'0'..=b'9') if mitm::begins(beginning) => Ok(Format::Mitm),
        Some(b'{') if has_log(text) => Ok(Format::Har),
        Some(b'{' | b'[') => Ok(Format::Json),
        _ => Err(TapeError::Unknown),
    }
}

/// Whether the JSON object at the beginning of `text` has a member `log`, as HAR has and no exchange of a JSON tape. It is not
/// checked to be JSON: whoever reads it will see.
fn has_log(text: &[u8]) -> bool {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return false,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let end = end_of_string(text, at + 1);
                let behind = text.get(end + 1..).unwrap_or_default().trim_ascii_start();
                if depth == 1 && &text[at + 1..end] == b"log" && behind.first() == Some(&b':') {
                    return true;
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// Where the quote stands that ends the string whose inside begins at `at`; the end of `text` if there is none.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Reads `source`, whatever its format.
///
/// # Errors
/// [`TapeError::Unknown`], or what the system says.
pub fn open(source: Arc<dyn ReadAt>) -> Result<Tape, TapeError> {
    Ok(match sniff(&*source)? {
        Format::Mitm => mitm::reader(source),
        Format::Json => json::reader(source),
        Format::Har => har::reader(source),
    })
}

/// Writes a tape of `format` to `to`.
pub fn writer<'a>(format: Format, to: impl Write + Send + 'a) -> Box<dyn TapeWriter + 'a> {
    match format {
        Format::Mitm => Box::new(MitmWriter::new(to)),
        Format::Json => Box::new(JsonWriter::new(to)),
        Format::Har => Box::new(HarWriter::new(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn sniffed(text: &str) -> Option<Format> {
        sniff(&Bytes::copy_from_slice(text.as_bytes())).ok()
    }

    #[test]
    fn a_format_is_told_by_how_a_tape_begins() {
        for (text, expected) in [
            ("", Some(Format::Mitm)),
            ("1550:9:websocket;", Some(Format::Mitm)),
            ("15", Some(Format::Mitm)),
            ("{\"log\": {}}", Some(Format::Har)),
            ("\u{feff}\r\n {\n \"log\" : {", Some(Format::Har)),
            ("{\"comment\":\"\\\"log\\\":\",\"x\":[{\"log\":1}],\"log\":{", Some(Format::Har)),
            ("{\"v\":1,\"id\":\"log\",\"request\":{\"log\":1}}\n{\"log\":1}", Some(Format::Json)),
            ("{\"request\":\"", Some(Format::Json)),
            ("[{\"request\"", Some(Format::Json)),
            ("12 monkeys", None),
            ("1234567890123:", None),
            ("\u{feff}15:", None),
            ("<html>", None),
            ("\0\0", None),
            (" ", None),
        ] {
            assert_eq!(sniffed(text), expected, "{text}");
        }
    }
}
