//! A finished recording, brought into the format that is wanted.

use crate::replay::{Extent, write_index};
use crate::session::Session;
use millpond_tape::index::Index;
use millpond_tape::{Format, ReadAt, TapeError, mitm, writer};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Leaves nothing of a `session` on which there is nothing, and otherwise a tape in `format`. Whatever fails, what was recorded
/// stays as it is, and is read as it is.
pub(crate) fn finish(session: &Session, format: Format, index: Option<Index>) {
    let path = session.path();
    let result = if session.committed() == 0 {
        std::fs::remove_file(path).map_err(TapeError::from)
    } else if format == Format::Mitm {
        keep_index(session, index);
        Ok(())
    } else {
        convert(session, format).map(|_| ())
    };
    if let Err(error) = result {
        tracing::error!(
            tape = %path.display(), %format, %error,
            "a recording stays as it is: it cannot be brought into its format; `tape convert` may do it later"
        );
    }
}

fn keep_index(session: &Session, index: Option<Index>) {
    let Some(mut index) = index else { return };
    // Nobody else has written to it: it is locked.
    let written = session.reader().and_then(|tape| {
        let extent = Extent { len: session.committed(), stamp: tape.stamp()? };
        write_index(session.path(), &tape, extent, &mut index);
        Ok(())
    });
    if let Err(error) = written {
        tracing::debug!(tape = %session.path().display(), %error, "the index of a tape is not kept");
    }
}

/// Puts a tape in `format` beside the session, and takes that away.
fn convert(session: &Session, format: Format) -> Result<PathBuf, TapeError> {
    let from = session.path();
    let source: Arc<dyn ReadAt> = Arc::new(session.reader()?);
    let dir = from.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    let mut out = BufWriter::new(file.as_file_mut());
    let mut tape = writer(format, &mut out);
    for exchange in mitm::reader(source) {
        tape.write(&exchange?.1)?;
    }
    tape.finish()?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    let to = from.with_extension(format.extension());
    file.persist_noclobber(&to).map_err(|error| error.error)?;
    std::fs::remove_file(from)?;
    Ok(to)
}
