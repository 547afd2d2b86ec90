//! A body too long for memory, rewritten whenever it is read.

use super::body::{AT_MOST, is_content_error, rewriter};
use super::media::Media;
use super::{Rewrite, Rules, Unredactable};
use crate::{Content, Form, Pairs, ReadAt, coding};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// How much is read at a time, bytes.
const PIECE: usize = 64 << 10;

/// A body without its secrets. It is rewritten anew by every reader, from the front to the back.
pub(super) struct Rewritten {
    rules: Rules,
    fields: Pairs,
    content: Content,
    media: Media,
    len: u64,
    /// Where the reader before got to: one that goes on from there needs nothing twice.
    run: Mutex<Option<Run>>,
}

impl Rewritten {
    /// Looks through `content`: what it is without its secrets, or `None` where it has none.
    pub(super) fn over(
        rules: &Rules,
        fields: &Pairs,
        content: &Content,
        media: &Media,
    ) -> io::Result<Result<Option<Content>, Unredactable>> {
        let mut kept = Pairs::new();
        fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding"))
            .for_each(|(name, value)| kept.push(name, value));
        let mut rewritten = Self {
            rules: rules.clone(),
            fields: kept,
            content: content.clone(),
            media: media.clone(),
            len: 0,
            run: Mutex::new(None),
        };
        match rewritten.measure() {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(error) if is_content_error(&error) => return Ok(Err(Unredactable)),
            Err(error) => return Err(error),
        }
        let len = rewritten.len;
        let source: Arc<dyn ReadAt> = Arc::new(rewritten);
        Ok(Ok(Some(Content::Held { source, start: 0, stored: len, form: Form::Raw, len })))
    }

    /// Finds the length, and whether anything changes.
    fn measure(&mut self) -> io::Result<bool> {
        let (mut before, mut after) = (Sha256::new(), Sha256::new());
        let mut reader = self.reader()?;
        let mut rewriter = rewriter(&self.rules, &self.media);
        let (mut buf, mut out) = (vec![0; PIECE], Vec::new());
        let mut len = 0;
        loop {
            let read = reader.read(&mut buf)?;
            before.update(&buf[..read]);
            out.clear();
            step(&mut *rewriter, &buf[..read], &mut out)?;
            after.update(&out);
            len += out.len() as u64;
            if read == 0 {
                break;
            }
        }
        self.len = len;
        Ok(before.finalize() != after.finalize())
    }

    fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        coding::decoded(&self.content, &self.fields, AT_MOST).map_err(io::Error::other)
    }
}

/// Rewrites a piece; an empty one is the end.
fn step(rewriter: &mut dyn Rewrite, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let done = if piece.is_empty() { rewriter.end(out) } else { rewriter.feed(piece, out) };
    done.map_err(|Unredactable| io::ErrorKind::InvalidData.into())
}

/// A reader on its way.
struct Run {
    reader: Box<dyn Read + Send>,
    rewriter: Box<dyn Rewrite>,
    /// Where what is ready begins in the body without its secrets.
    at: u64,
    ready: Vec<u8>,
    ended: bool,
}

impl Run {
    /// Copies from `offset` on, which lies before no byte that is still ready.
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut piece = vec![0; PIECE];
        loop {
            let skip = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
            if skip < self.ready.len() {
                let rest = &self.ready[skip..];
                let count = rest.len().min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                return Ok(count);
            }
            if self.ended {
                return Ok(0);
            }
            self.at += self.ready.len() as u64;
            self.ready.clear();
            let read = self.reader.read(&mut piece)?;
            step(&mut *self.rewriter, &piece[..read], &mut self.ready)?;
            self.ended = read == 0;
        }
    }
}

impl ReadAt for Rewritten {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // A reader takes its run along: a second one that comes in between makes its own.
        let before = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut run = match before.filter(|run| run.at <= offset) {
            Some(run) => run,
            None => Run {
                reader: self.reader()?,
                rewriter: rewriter(&self.rules, &self.media),
                at: 0,
                ready: Vec::new(),
                ended: false,
            },
        };
        let count = run.read(buf, offset)?;
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}
