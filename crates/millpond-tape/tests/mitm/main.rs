//! mitmproxy's flows: what mitmproxy wrote is read as mitmproxy reads it, what is written comes back, and nothing on a tape
//! takes the reader down.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod bounds;
mod broken;
mod fixtures;
mod interop;
mod made;
mod round_trip;
mod shown;
mod writing;

use bytes::Bytes;
use millpond_tape::mitm::{Flows, MitmWriter};
use millpond_tape::{ReadAt, Recorded, TapeError};
use std::sync::Arc;

/// The exchanges of a tape, or the first error.
fn exchanges(tape: impl Into<Bytes>) -> Result<Vec<Recorded>, TapeError> {
    let source: Arc<dyn ReadAt> = Arc::new(tape.into());
    Flows::new(source).map(|read| read.map(|(_, recorded)| recorded)).collect()
}

/// The tape of these exchanges.
fn written(exchanges: &[Recorded]) -> Vec<u8> {
    let mut writer = MitmWriter::new(Vec::new());
    for exchange in exchanges {
        writer.append(exchange).unwrap();
    }
    writer.into_inner()
}
