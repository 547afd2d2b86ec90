//! Responses as curl got them, and what may differ between one from the origin and one through millpond.

use crate::tool;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields a proxy adds, or that concern one connection only.
const OF_THE_WAY: [&str; 9] = [
    "age",
    "cache-status",
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "via",
    "x-cache",
    "x-request-id",
];

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status code and the reason phrase.
    pub status: String,
    /// All fields, their names in lower case.
    pub fields: BTreeMap<String, Vec<String>>,
    /// As it came over the wire, chunks put together.
    pub body: Vec<u8>,
}

impl Fetched {
    /// Fetches `url` with curl and `options`.
    pub fn with_curl(url: &str, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (head, body) = (dir.path().join("head"), dir.path().join("body"));
        let mut curl = tool::command("curl");
        curl.args(["--silent", "--show-error", "--http1.1", "--dump-header"])
            .arg(&head)
            .arg("--output")
            .arg(&body);
        tool::run(curl.args(options).arg(url));
        // With `--head`, curl writes the head where the body would go.
        let body = if options.contains(&"--head") { Vec::new() } else { read(&body) };
        Self::parse(&std::fs::read_to_string(head).unwrap(), body)
    }

    fn parse(head: &str, body: Vec<u8>) -> Self {
        // An interim response has a head of its own, before the last one.
        let last = head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
        let mut lines = last.lines();
        let status = lines.next().unwrap().split_once(' ').unwrap().1.to_owned();
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in lines.map(|line| line.split_once(':').unwrap()) {
            fields.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
        Self { status, fields, body }
    }

    /// The first value of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// What must be the same on every way: without the fields of the way, and with `Expires` as seconds after `Date`.
    pub fn end_to_end(&self) -> Self {
        let mut fields = self.fields.clone();
        for name in OF_THE_WAY {
            fields.remove(name);
        }
        let date = fields.remove("date").map(|values| seconds(&values[0]));
        if let (Some(date), Some(expires)) = (date, fields.get_mut("expires")) {
            *expires = vec![format!("{} seconds after Date", seconds(&expires[0]) - date)];
        }
        Self { fields, ..self.clone() }
    }
}

/// An HTTP date as seconds since 1970.
fn seconds(date: &str) -> i64 {
    millpond::policy::dates::parse_date(date.as_bytes())
        .unwrap_or_else(|| panic!("{date:?} is no date"))
        .as_secs()
}

/// A file that may not have been written because there was nothing to write.
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}
