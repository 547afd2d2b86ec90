//! Bodies on a tape: in memory, or where they lie.

mod base64;
mod text;

use self::base64::Decoded;
use self::text::Unescaped;
use bytes::Bytes;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

/// Bytes that can be read from any place, by several readers at a time.
pub trait ReadAt: Send + Sync {
    /// Reads bytes from `offset` on into `buf`; answers how many, 0 only at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// True when there are none.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// What tells whether the bytes may have been changed; `None` where nothing does.
    ///
    /// # Errors
    /// What the system says.
    fn stamp(&self) -> io::Result<Option<Stamp>> {
        Ok(None)
    }
}

/// Which file it is, and when it was last written to: another one where its bytes were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the file on its file system.
    pub inode: u64,
    /// When it was written to, seconds since 1970.
    pub seconds: i64,
    /// And so many nanoseconds.
    pub nanoseconds: i64,
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        let metadata = self.metadata()?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Some(Stamp { inode: metadata.ino(), seconds, nanoseconds }))
    }
}

impl ReadAt for Bytes {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self[..].len());
        let rest = &self[from..];
        let take = rest.len().min(buf.len());
        buf[..take].copy_from_slice(&rest[..take]);
        Ok(take)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self[..].len() as u64)
    }
}

/// How content lies in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Raw,
    /// As the inside of a JSON string: escapes stand for characters.
    JsonText,
    /// As the inside of a JSON string of base64: the standard alphabet, with or without padding.
    JsonBase64,
}

/// A body as recorded. Cloning it copies no content.
#[derive(Clone)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// In its place on a tape, or in a spool file.
    Held {
        /// Where.
        source: Arc<dyn ReadAt>,
        /// Where its form begins there, bytes.
        start: u64,
        /// How many bytes its form has.
        stored: u64,
        /// How it lies there.
        form: Form,
        /// How many bytes it has itself.
        len: u64,
    },
}

impl Content {
    /// No bytes at all, which is more than not knowing.
    pub const fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    /// Raw bytes of `source`.
    pub fn raw(source: Arc<dyn ReadAt>, start: u64, len: u64) -> Self {
        Self::Held { source, start, stored: len, form: Form::Raw, len }
    }

    /// What the inside of a JSON string stands for that has `stored` bytes and begins at `start` of `source`, behind its
    /// quote. It is read once, for its length.
    ///
    /// # Errors
    /// What the system says; `InvalidData` when it is no inside of a JSON string, or not base64.
    pub fn json(source: Arc<dyn ReadAt>, start: u64, stored: u64, form: Form) -> io::Result<Self> {
        let len = io::copy(&mut reader(&source, start, stored, form), &mut io::sink())?;
        Ok(Self::Held { source, start, stored, form, len })
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Held { len, .. } => *len,
        }
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

/// Shows the length only.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.len())
    }
}

impl Content {
    /// Its bytes, from the first to the last.
    pub fn reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Self::Held { source, start, stored, form, .. } => reader(source, *start, *stored, *form),
        }
    }

    /// All of it; `None` when it has more than `limit` bytes.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the place ends before the content does, `InvalidData` when it is not
    /// in its form.
    pub fn to_bytes(&self, limit: u64) -> io::Result<Option<Bytes>> {
        if self.len() > limit {
            return Ok(None);
        }
        if let Self::Memory(bytes) = self {
            return Ok(Some(bytes.clone()));
        }
        // No more than was announced is held, whatever the place has become since.
        let mut all = Vec::with_capacity(self.len() as usize);
        self.reader().take(self.len() + 1).read_to_end(&mut all)?;
        if all.len() as u64 != self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(all.into()))
    }
}

/// The content that lies in `stored` bytes of `source`, in `form`.
fn reader(source: &Arc<dyn ReadAt>, start: u64, stored: u64, form: Form) -> Box<dyn Read + Send> {
    let raw = Raw { source: Arc::clone(source), at: start, end: start.saturating_add(stored) };
    match form {
        Form::Raw => Box::new(raw),
        Form::JsonText => Box::new(Unescaped::new(raw)),
        Form::JsonBase64 => Box::new(Decoded::new(Unescaped::new(raw))),
    }
}

/// Raw bytes of a place.
struct Raw {
    source: Arc<dyn ReadAt>,
    at: u64,
    end: u64,
}

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buf.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.source.read_at(&mut buf[..most], self.at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_out_of_every_form() {
        let source: Arc<dyn ReadAt> = Arc::new(Bytes::from_static(br#"..caf\u00e9.."Y2Fmw6k\/"#));
        for (start, stored, form, expected) in [
            (2, 9, Form::JsonText, "café".as_bytes()),
            (14, 7, Form::JsonBase64, "café".as_bytes()),
            (2, 4, Form::Raw, b"caf\\"),
        ] {
            let content = Content::json(Arc::clone(&source), start, stored, form).unwrap();
            assert_eq!(content.len(), expected.len() as u64);
            assert_eq!(content.to_bytes(100).unwrap().unwrap(), expected);
            assert!(content.to_bytes(3).unwrap().is_none(), "more than was allowed");
        }
        let broken = Content::json(Arc::clone(&source), 11, 5, Form::JsonText).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::InvalidData);
        let short = Content::json(source, 14, 100, Form::JsonText).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }
}
