//! The content of the request, as far as it matters: a key has no more of it than `limits.key_body`.

use crate::args::explain::ExplainArgs;
use crate::failure::Failure;
use millpond::config::Config;
use millpond::exchange::Body;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Content given on the command line, or read.
pub(super) struct Content {
    bytes: Vec<u8>,
    /// There is more than any key takes, which was not read.
    cut: bool,
    /// No field says what it means.
    assumed_type: bool,
}

impl Content {
    /// What the command line says, if it says anything.
    pub fn of(args: &ExplainArgs, config: &Config) -> Result<Option<Self>, Failure> {
        let routes = config.routes();
        let limits = routes.iter().map(|route| route.limits.key_body.bytes());
        let limit = limits.chain([config.limits.key_body.bytes()]).max().unwrap_or_default();
        let content = Self::given(args, limit)?;
        let named = |line: &String| line.split(':').next().is_some_and(|name| is_type(name.trim()));
        let assumed_type = !args.fields.iter().any(named);
        Ok(content.map(|content| Self { assumed_type, ..content }))
    }

    fn given(args: &ExplainArgs, limit: u64) -> Result<Option<Self>, Failure> {
        match (&args.data, &args.body) {
            (Some(text), _) if text.starts_with('@') => Err(Failure::Usage(
                "--data @FILE: a file is given with --body FILE, and taken as it is".into(),
            )),
            (Some(text), _) => {
                Self::read(text.as_bytes(), limit).map(Some).map_err(|error| failed("--data", error))
            }
            (None, Some(path)) if path.as_os_str() == "-" => {
                let read = Self::read(io::stdin().lock(), limit);
                read.map(Some).map_err(|error| failed("cannot read standard input", error))
            }
            (None, Some(path)) => Self::read_file(path, limit).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn read_file(path: &Path, limit: u64) -> Result<Self, Failure> {
        let read = File::open(path).and_then(|file| Self::read(file, limit));
        read.map_err(|error| Failure::File { path: path.to_owned(), error })
    }

    /// Reads `from` to its end, or to one byte beyond `limit`.
    fn read(from: impl Read, limit: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(Self { cut: bytes.len() as u64 > limit, bytes, assumed_type: false })
    }

    /// How many bytes there are, at least.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// True when there is more than what was read.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// True when its Content-Type is the one that curl would send.
    pub const fn assumed_type(&self) -> bool {
        self.assumed_type
    }

    /// The content, or where it is cut, as much as no key takes.
    pub fn body(&self) -> Body {
        Body::from_bytes(self.bytes.clone())
    }

    /// The content.
    pub fn body_to_send(&self) -> Result<Body, Failure> {
        if self.cut {
            let why =
                "the content is longer than limits.key_body, and was not read to its end; leave out --via";
            return Err(Failure::Usage(why.to_owned()));
        }
        Ok(self.body())
    }
}

fn is_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-type")
}

fn failed(what: &'static str, error: io::Error) -> Failure {
    Failure::System { what, error }
}
