//! The request body on its way in: which bytes of the connection belong to it.

use crate::FrontLimits;
use crate::chunked::{Decoder, Step};
use crate::head::Framing;
use bytes::{Bytes, BytesMut};
use millpond_exchange::{BodyError, BodyErrorKind, Fields};

/// The rest of a request body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incoming {
    /// Read to its end; what follows is the next request.
    Done,
    Length(u64),
    Chunked(Decoder),
    /// Its framing is violated or it was cut: nothing more can be read from this connection.
    Broken,
}

/// What the buffered bytes gave.
#[derive(Debug)]
pub(crate) enum Piece {
    /// More bytes are needed.
    More,
    Data(Bytes),
    End(Fields),
}

impl Incoming {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Decoder::new()),
        }
    }

    /// True when the next byte of the connection belongs to the next request.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// The least number of bytes that are yet to come.
    pub(crate) fn at_least(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            _ => 0,
        }
    }

    /// Takes what it can from the front of `buf`.
    pub(crate) fn next(&mut self, buf: &mut BytesMut, limits: &FrontLimits) -> Result<Piece, BodyError> {
        match self {
            Self::Done => Ok(Piece::End(Fields::new())),
            Self::Broken => Err(cut()),
            Self::Length(left) => {
                let take = (*left).min(buf.len() as u64);
                if take == 0 {
                    return Ok(Piece::More);
                }
                *left -= take;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Piece::Data(buf.split_to(take as usize).freeze()))
            }
            Self::Chunked(decoder) => match decoder.step(buf, limits) {
                Ok(Step::More) => Ok(Piece::More),
                Ok(Step::Data(data)) => Ok(Piece::Data(data)),
                Ok(Step::End(trailers)) => {
                    *self = Self::Done;
                    Ok(Piece::End(trailers))
                }
                Err(malformed) => {
                    *self = Self::Broken;
                    Err(BodyError::new(
                        BodyErrorKind::Malformed,
                        format!("the client's request body is not valid: {}", malformed.0),
                    ))
                }
            },
        }
    }

    /// Nothing more will come: what the reader of the body is told.
    pub(crate) fn break_off(&mut self) {
        *self = Self::Broken;
    }
}

fn cut() -> BodyError {
    BodyError::new(BodyErrorKind::Cut, "the client's connection ended before its body did")
}
