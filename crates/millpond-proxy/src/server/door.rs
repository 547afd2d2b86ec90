//! The services a server can have, as one type: which it is, is decided once, when it starts.

use crate::access_log::AccessLog;
use crate::forward::Forward;
use crate::note::Note;
use crate::service::CacheService;
use crate::tape::TapeService;
use crate::upstream::UpstreamPool;
use millpond_engine::NoOrigin;
use millpond_exchange::{Body, Timestamp};
use millpond_front::{ConnInfo, Finished, Interim, Refusal, Reply, Request, Service};

/// What answers on a server's listeners. One for each worker.
pub(crate) enum Door {
    /// Caches in front of the configured origins.
    Serve(CacheService<UpstreamPool>),
    /// Caches between clients and the origins they name.
    Forward(Forward<CacheService<UpstreamPool>>),
    /// Answers from tapes, and fetches and records, as the mode says.
    Record(Forward<TapeService<UpstreamPool>>),
    /// Answers from tapes alone.
    Replay(Forward<TapeService<NoOrigin>>),
}

/// Asks the service that `$door` has.
macro_rules! ask {
    ($door:expr, $service:ident => $answer:expr) => {
        match $door {
            Door::Serve($service) => $answer,
            Door::Forward($service) => $answer,
            Door::Record($service) => $answer,
            Door::Replay($service) => $answer,
        }
    };
}

impl Door {
    /// Where requests are logged.
    pub fn log(&self) -> Option<&AccessLog> {
        match self {
            Self::Serve(service) => service.log.as_ref(),
            Self::Forward(service) => service.log(),
            Self::Record(service) => service.log(),
            Self::Replay(service) => service.log(),
        }
    }
}

impl Service for Door {
    type Log = Note;

    fn now(&self) -> Timestamp {
        ask!(self, service => service.now())
    }

    fn ready(&self, request: &Request, conn: &ConnInfo) -> Option<Reply<Note>> {
        ask!(self, service => service.ready(request, conn))
    }

    async fn call(&self, request: Request, body: Body, interim: Interim, conn: &ConnInfo) -> Reply<Note> {
        // Boxed each: the largest of these futures would be the size of every one.
        match self {
            Self::Serve(service) => service.call(request, body, interim, conn).await,
            Self::Forward(service) => Box::pin(service.call(request, body, interim, conn)).await,
            Self::Record(service) => Box::pin(service.call(request, body, interim, conn)).await,
            Self::Replay(service) => Box::pin(service.call(request, body, interim, conn)).await,
        }
    }

    fn finished(&self, done: Finished<'_, Note>) {
        ask!(self, service => service.finished(done));
    }

    fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>) {
        ask!(self, service => service.refused(refusal, conn, request_id));
    }

    fn request_id(&self) -> Option<String> {
        ask!(self, service => service.request_id())
    }
}
