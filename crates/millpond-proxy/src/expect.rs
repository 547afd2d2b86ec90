//! 1xx responses on their way through (RFC 9110 section 15.2), and `Expect: 100-continue` (section 10.1.1).

use futures_util::StreamExt as _;
use millpond_engine::InterimSink;
use millpond_exchange::{Body, StatusCode};
use millpond_front::Interim;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client that expects a 100 waits for the origin's, before its body is asked for anyway: an origin that
/// does not know the expectation will not answer it (RFC 9110 section 10.1.1).
const PATIENCE: Duration = Duration::from_secs(1);

/// Forwards 1xx responses of the origin to the client. A 100 opens the gate of the body instead: the front sends its
/// own as soon as the body is read.
pub(crate) fn sink(interim: Interim, gate: Option<watch::Sender<bool>>) -> InterimSink {
    Arc::new(move |head| {
        if head.status == StatusCode::CONTINUE {
            if let Some(gate) = &gate {
                gate.send_replace(true);
            }
            return;
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        if let Err(error) = interim.send(head.status, &head.fields) {
            tracing::debug!(%error, status = %head.status, "interim response not forwarded");
        }
    })
}

/// `body`, not read before the gate opens or patience ends.
pub(crate) fn gated(body: Body, mut gate: watch::Receiver<bool>) -> Body {
    let length = body.length();
    let inner = body.into_stream();
    let opened = async move {
        // A gate that is gone, or does not open in time, counts as open.
        let _ = tokio::time::timeout(PATIENCE, gate.wait_for(|open| *open)).await;
        inner
    };
    Body::Stream { stream: Box::pin(futures_util::stream::once(opened).flatten()), length }
}
