//! One exchange on its way to the tape.

mod body;
mod upload;

use crate::heads::{recorded_request, recorded_response};
use crate::spool::Spool;
use crate::writer::{Done, Recorder};
use crate::{Asked, connection};
use body::Passing;
use millpond_exchange::{Body, BodyError, Fields, ResponseHead, Timestamp};
use millpond_tape::index::REQUEST_INCOMPLETE;
use millpond_tape::{Chunk, ConnectionFacts, Failure, Recorded};
use serde_json::Value;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use upload::Upload;

/// Pieces whose time is kept, for each body; those beyond count as part of the last one.
const MOST_PIECES: usize = 100_000;

/// One exchange on its way to the tape. Dropped before it is finished, it is recorded as one that broke off, with what came.
pub struct Recording {
    recorder: Arc<Recorder>,
    draft: Option<Box<Draft>>,
}

struct Draft {
    recorded: Recorded,
    upload: Upload,
    response: Spool,
    clock: Elapsed,
    /// When the response's head came.
    head_at: Instant,
    /// A spool failed: there is nothing to be recorded.
    lost: bool,
}

/// Times on the tape: the wall clock at the beginning, and what passed since then.
#[derive(Clone, Copy)]
pub(crate) struct Elapsed {
    began: Instant,
    at: f64,
}

impl Elapsed {
    fn new(now: Timestamp) -> Self {
        Self { began: Instant::now(), at: now.as_millis() as f64 / 1000.0 }
    }

    /// Seconds since 1970.
    pub fn now(self) -> f64 {
        self.at + self.began.elapsed().as_secs_f64()
    }

    /// Seconds since 1970, `ago` before now.
    fn before(self, ago: Duration) -> f64 {
        self.now() - ago.as_secs_f64()
    }
}

impl Recording {
    pub(crate) fn begin(recorder: &Arc<Recorder>, asked: &Asked<'_>, now: Timestamp) -> Self {
        let clock = Elapsed::new(now);
        let mut server = connection::between(None, None);
        server.address = Some((asked.host.to_owned(), asked.port));
        let exchange = Recorded {
            id: uuid::Uuid::new_v4().to_string(),
            request: recorded_request(asked, clock.at),
            created: clock.at,
            server,
            ..Recorded::default()
        };
        let draft = Draft {
            recorded: exchange,
            upload: Upload::new(recorder.spool(), clock),
            response: recorder.spool(),
            clock,
            head_at: clock.began,
            lost: false,
        };
        Self { recorder: Arc::clone(recorder), draft: Some(Box::new(draft)) }
    }

    /// Notes the client's connection; `tls` where it runs over TLS.
    pub fn from_client(&mut self, peer: Option<SocketAddr>, local: Option<SocketAddr>, tls: bool) {
        let started = self.draft.as_ref().map(|draft| draft.clock.at);
        let facts = ConnectionFacts {
            tls,
            started,
            proxy_mode: "regular".to_owned(),
            ..connection::between(peer, local)
        };
        if let Some(draft) = &mut self.draft {
            draft.recorded.client = facts;
            draft.recorded.server.tls = tls;
        }
    }

    /// Notes trailers of a request whose content is at hand already.
    pub fn request_trailers(&mut self, trailers: &Fields) {
        if let Some(draft) = &mut self.draft {
            draft.recorded.request.trailers = Some(crate::heads::pairs(trailers));
        }
    }

    /// The request's content, which is recorded as it passes.
    pub fn request_body(&mut self, body: Body) -> Body {
        let Some(draft) = &mut self.draft else { return body };
        if body.length() == Some(0) {
            return body;
        }
        draft.recorded.request.content = None;
        draft.upload.pass(body)
    }

    /// The response's head came.
    pub fn response_head(&mut self, head: &ResponseHead) {
        if let Some(draft) = &mut self.draft {
            draft.head_at = Instant::now();
            draft.recorded.response = Some(recorded_response(head, draft.clock.now()));
        }
    }

    /// The response's content, which is recorded as it passes. Its last piece (where its length is known), or its end, comes
    /// only when the exchange is on the tape.
    pub fn response_body(self, body: Body) -> Body {
        let length = body.length();
        Body::Stream { stream: Box::pin(Passing::new(body.into_stream(), length, self)), length }
    }

    /// The exchange is complete; returns when it is on the tape.
    pub async fn finish(mut self) {
        if let Some(done) = self.conclude(None) {
            // A writer that is gone has told why; the client is served all the same.
            let _ = done.await;
        }
    }

    /// The exchange ends without a response, or within it.
    pub fn fail(mut self, message: impl Into<String>) {
        self.conclude(Some(message.into()));
    }

    /// A piece of the response's content came.
    fn piece(&mut self, data: &[u8]) {
        let Some(draft) = &mut self.draft else { return };
        if draft.lost {
            return;
        }
        if let Err(error) = draft.response.write(data) {
            draft.lost = true;
            self.recorder.tell_failure(&error);
            return;
        }
        if self.recorder.timing() {
            draft.note_piece(data.len() as u64);
        }
    }

    fn trailers(&mut self, trailers: &Fields) {
        let draft = self.draft.as_mut();
        if let Some(response) = draft.and_then(|draft| draft.recorded.response.as_mut()) {
            response.trailers = Some(crate::heads::pairs(trailers));
        }
    }

    /// Hands the exchange over to the writer; with `failure` it is one that broke off.
    fn conclude(&mut self, failure: Option<String>) -> Option<Done> {
        let draft = self.draft.take()?;
        if draft.lost || draft.upload.is_lost() {
            self.recorder.count_failed();
            return None;
        }
        self.recorder.record(draft.finished(failure))
    }
}

impl Draft {
    fn note_piece(&mut self, bytes: u64) {
        let timing = &mut self.recorded.timing;
        let full = timing.len() >= MOST_PIECES;
        match timing.last_mut() {
            Some(last) if full => last.bytes += bytes,
            _ => timing.push(Chunk { after: self.head_at.elapsed().as_secs_f64(), bytes }),
        }
    }

    fn finished(self, failure: Option<String>) -> Recorded {
        let Self { mut recorded, upload, response, clock, head_at, .. } = self;
        let now = clock.now();
        let request = &mut recorded.request;
        match upload.take() {
            Some(came) => {
                request.content = Some(came.content);
                request.trailers = came.trailers;
                request.ended = came.ended;
                if came.ended.is_none() {
                    recorded.metadata.insert(REQUEST_INCOMPLETE.to_owned(), Value::Bool(true));
                }
            }
            None => request.ended = Some(clock.at),
        }
        if let Some(part) = &mut recorded.response {
            part.started = clock.before(head_at.elapsed());
            part.content = Some(response.into_content());
            part.ended = failure.is_none().then_some(now);
        }
        recorded.aborted = failure.is_some();
        recorded.error = failure.map(|message| Failure { message, at: now });
        recorded
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.conclude(Some("the client went away before the response was complete".to_owned()));
    }
}

/// What the tape says of a body that broke off.
fn told(error: &BodyError) -> String {
    error.message.clone()
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("open", &self.draft.is_some()).finish_non_exhaustive()
    }
}
