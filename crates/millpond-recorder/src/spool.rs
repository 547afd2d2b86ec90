//! A body on its way to the tape: in memory while it is small, then in a file without a name.

use bytes::{Bytes, BytesMut};
use millpond_tape::Content;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a body held in memory.
pub const IN_MEMORY: usize = 64 * 1024;

/// What came of a body so far. The file has no name: it goes with the process, however that ends.
#[derive(Debug)]
pub struct Spool {
    dir: Arc<Path>,
    place: Place,
    len: u64,
}

#[derive(Debug)]
enum Place {
    Memory(BytesMut),
    File(File),
}

impl Spool {
    /// An empty one, whose file would be in `dir`.
    pub fn new(dir: Arc<Path>) -> Self {
        Self { dir, place: Place::Memory(BytesMut::new()), len: 0 }
    }

    /// Appends `data`.
    ///
    /// # Errors
    /// What the system says of the file; what was written before is of no use then.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if let Place::Memory(held) = &mut self.place {
            if held.len() + data.len() <= IN_MEMORY {
                held.extend_from_slice(data);
                self.len += data.len() as u64;
                return Ok(());
            }
            let mut file = tempfile::tempfile_in(&self.dir)?;
            file.write_all(held)?;
            self.place = Place::File(file);
        }
        if let Place::File(file) = &mut self.place {
            file.write_all(data)?;
        }
        self.len += data.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True when there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What came, as content.
    pub fn into_content(self) -> Content {
        match self.place {
            Place::Memory(held) => Content::Memory(Bytes::from(held)),
            Place::File(file) => Content::raw(Arc::new(file), 0, self.len),
        }
    }
}
