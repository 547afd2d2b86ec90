//! One tape checked from its beginning to its end.

use crate::index::Silent;
use crate::{Content, Recorded, Tape, TapeError};
use std::io;

/// What a check found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Exchanges that can be read.
    pub exchanges: u64,
    /// Of these: those whose response can be given again.
    pub answers: u64,
    /// Those whose response broke off.
    pub aborted: u64,
    /// Those without a response.
    pub without_response: u64,
    /// Those of which a body was not recorded, of the request or the response.
    pub without_body: u64,
    /// Those whose body cannot be read, by the byte at which the exchange begins.
    pub unreadable: Vec<u64>,
    /// Bytes in bodies.
    pub body_bytes: u64,
    /// Why the tape could not be read to its end.
    pub error: Option<TapeError>,
}

/// How many places are listed.
const LISTED_AT_MOST: usize = 100;

impl Verified {
    /// True when everything on the tape can be read.
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && self.unreadable.is_empty()
    }

    /// Where the tape is torn, if it is: the exchange that begins there was never finished.
    pub fn torn_at(&self) -> Option<u64> {
        match self.error {
            Some(TapeError::Torn { at }) => Some(at),
            _ => None,
        }
    }

    fn count(&mut self, offset: u64, exchange: &Recorded) {
        self.exchanges += 1;
        self.answers += u64::from(Silent::of(exchange).is_none());
        self.aborted += u64::from(exchange.aborted);
        self.without_response += u64::from(exchange.response.is_none());
        let response = exchange.response.as_ref().map(|response| &response.content);
        let contents = [Some(&exchange.request.content), response];
        self.without_body += u64::from(contents.iter().flatten().any(|content| content.is_none()));
        for content in contents.into_iter().flatten().flatten() {
            match read_through(content) {
                Ok(bytes) => self.body_bytes += bytes,
                Err(_) if self.unreadable.last() == Some(&offset) => {}
                Err(_) if self.unreadable.len() < LISTED_AT_MOST => self.unreadable.push(offset),
                Err(_) => {}
            }
        }
    }
}

/// Reads all of `tape`, bodies included; `progress` is told the number of exchanges after each.
pub fn verify(tape: Tape, progress: &mut dyn FnMut(u64)) -> Verified {
    let mut found = Verified::default();
    for exchange in tape {
        match exchange {
            Ok((offset, exchange)) => found.count(offset, &exchange),
            Err(error) => {
                found.error = Some(error);
                return found;
            }
        }
        progress(found.exchanges);
    }
    found
}

/// How many bytes a body has, which must be as many as it says.
fn read_through(content: &Content) -> io::Result<u64> {
    let bytes = io::copy(&mut content.reader(), &mut io::sink())?;
    if bytes == content.len() { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
