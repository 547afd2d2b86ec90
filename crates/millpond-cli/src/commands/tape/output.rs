//! The tape that is written: whole or not at all.

use crate::args::tape::OutArgs;
use crate::failure::Failure;
use millpond::tape::{self, Format, Recorded, TapeError, TapeWriter};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

/// A tape on its way to its file.
pub(in crate::commands) struct Output {
    writer: Box<dyn TapeWriter>,
    name: String,
    place: Option<Place>,
}

/// A file that stands in for another until it is whole.
struct Place {
    file: NamedTempFile,
    path: PathBuf,
}

impl Output {
    /// Begins the tape that the options name.
    pub fn begin(args: &OutArgs) -> Result<Self, Failure> {
        let path = args.output.as_path();
        let format = format_of(args)?;
        if path == Path::new("-") {
            let to = BufWriter::with_capacity(BUFFER, io::stdout());
            return Ok(Self::to(format, to, "standard output".to_owned(), None));
        }
        let name = path.display().to_string();
        let failed = |error: io::Error| Failure::WriteTape { name: name.clone(), error: error.into() };
        // A device or a pipe is written to, not replaced; a link leads to what is replaced.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            let to = File::options().write(true).open(&path).map_err(failed)?;
            return Ok(Self::to(format, BufWriter::with_capacity(BUFFER, to), name, None));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(dir).map_err(failed)?;
        let to = BufWriter::with_capacity(BUFFER, file.reopen().map_err(failed)?);
        Ok(Self::to(format, to, name, Some(Place { file, path })))
    }

    fn to(format: Format, to: impl Write + Send + 'static, name: String, place: Option<Place>) -> Self {
        Self { writer: tape::writer(format, to), name, place }
    }

    /// Appends an exchange. Nothing more need be written when who reads standard output, such as `head`, has gone.
    pub fn write(&mut self, exchange: &Recorded) -> Result<ControlFlow<()>, Failure> {
        match self.writer.write(exchange) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if self.place.is_none() && reader_has_gone(&error) => Ok(ControlFlow::Break(())),
            Err(error) => Err(failed(&self.name, error)),
        }
    }

    /// What writes it, for whoever does that as a whole.
    pub fn writer(&mut self) -> &mut dyn TapeWriter {
        &mut *self.writer
    }

    /// Why it cannot be written.
    pub fn unwritable(&self, error: TapeError) -> Failure {
        failed(&self.name, error)
    }

    /// Ends the tape, and gives it its name.
    pub fn finish(self) -> Result<(), Failure> {
        let Self { writer, name, place } = self;
        match (writer.finish(), &place) {
            (Err(error), None) if reader_has_gone(&error) => {}
            (finished, _) => finished.map_err(|error| failed(&name, error))?,
        }
        let Some(Place { file, path }) = place else { return Ok(()) };
        let named = file.as_file().sync_all().and_then(|()| Ok(file.persist(path)?));
        named.map(drop).map_err(|error| failed(&name, error.into()))
    }
}

fn reader_has_gone(error: &TapeError) -> bool {
    matches!(error, TapeError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

fn failed(name: &str, error: TapeError) -> Failure {
    Failure::WriteTape { name: name.to_owned(), error }
}

/// The format as chosen, else as the ending of the file tells.
fn format_of(args: &OutArgs) -> Result<Format, Failure> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    match args.output.extension().and_then(|ending| ending.to_str()) {
        Some("mitm" | "flow" | "flows") => Ok(Format::Mitm),
        Some("json" | "jsonl" | "ndjson") => Ok(Format::Json),
        Some("har") => Ok(Format::Har),
        _ => Err(Failure::Usage(format!(
            "{}: the ending tells no format; choose one with --format mitm, json or har",
            args.output.display()
        ))),
    }
}
