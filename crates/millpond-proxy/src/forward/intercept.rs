//! Tunnels whose inside is read: TLS is opened with a certificate of our own, and what is asked inside is answered as any
//! other request.

use super::common::Common;
use super::granted::Granted;
use super::{Forward, Inner};
use futures_util::future::BoxFuture;
use millpond_exchange::Scheme;
use millpond_front::{ConnInfo, Rewound, Transport, Upgraded, serve_connection, serve_http2};
use millpond_intercept::{AcceptError, Fault, Opening, Trust, opening, opening_until};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a client may say nothing before the origin is connected to, whose first words it may wait for.
const SILENCE: Duration = Duration::from_secs(3);

impl<S: Inner> Forward<S> {
    /// Reads what the client says in its tunnel. Boxed here: the requests inside pass the same service again, which may not
    /// be part of its own type.
    pub(super) fn open(self, mut granted: Granted<S>, client: Upgraded) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let drain = self.common.patience.drain.signal();
            let begun = tokio::select! {
                begun = self.listen(&mut granted, client) => begun,
                () = drain.draining() => return,
            };
            let (begins, client, origin) = begun;
            match (begins, origin) {
                (Opening::Tls, _) => self.open_tls(granted, client).await,
                (Opening::Http, _) => {
                    self.common.tunnels.intercepted();
                    self.serve(&granted, client, Scheme::Http, false).await;
                    granted.complete();
                }
                (Opening::Other | Opening::Silent, Some(origin)) => {
                    // Asked for the sake of the count: the connection is there.
                    let _ = self.inner.unreadable(&granted.authority);
                    self.pass(granted, client, origin).await;
                }
                // The reason says why there is nothing more to wait for.
                (Opening::Silent, None) if granted.note.reason.is_some() => {}
                (Opening::Other | Opening::Silent, None) => self.go_unread(granted, client).await,
                (Opening::Closed, _) => granted.complete(),
            }
        })
    }

    /// What the client begins with, and the connection to the origin, where it was made meanwhile and not by the client's
    /// first words outrun.
    async fn listen(
        &self,
        granted: &mut Granted<S>,
        client: Upgraded,
    ) -> (Opening, Rewound<Upgraded>, Option<TcpStream>) {
        let patience = self.common.limits.head_timeout;
        if self.common.outside.is_none() {
            // There is nobody else who could speak first.
            let (begins, client) = opening(client, patience).await;
            return (begins, client, None);
        }
        let (begins, client) = opening(client, patience.min(SILENCE)).await;
        if begins != Opening::Silent {
            return (begins, client, None);
        }
        // A client that opened its connection in advance is silent too: whoever speaks first decides.
        let (_, client) = client.into_parts();
        let (mut origin, mut over) = (None, Some("idle"));
        let origin_speaks = async {
            match self.dial(&granted.authority, &granted.target).await {
                Ok(stream) => {
                    // An end counts as well: the client is to hear of it.
                    let _ = origin.insert(stream).readable().await;
                    over = None;
                }
                Err((_, reason)) => over = Some(reason),
            }
        };
        let (begins, client) = opening_until(client, self.common.patience.idle, origin_speaks).await;
        if begins == Opening::Silent && over.is_some() {
            granted.note.reason = over;
            return (begins, client, None);
        }
        (begins, client, origin)
    }

    async fn open_tls(&self, granted: Granted<S>, client: impl Transport) {
        let Some(opening) = &self.common.opening else { return self.go_unread(granted, client).await };
        let host = granted.target.bare_host();
        let limit = self.common.limits.head_timeout;
        let mut accepted = match opening.interceptor.accept(client, host, limit).await {
            Ok(accepted) => accepted,
            Err(error) => return self.not_accepted(granted, &error),
        };
        self.common.tunnels.intercepted();
        let trust = accepted.trust();
        let (common, host) = (Arc::clone(&self.common), granted.target.host.clone());
        accepted.io.when_accepted(move || note_accepted(&common, &host));
        self.serve(&granted, accepted.io, Scheme::Https, accepted.h2).await;
        if let Trust::Refused(alert) = trust.trust() {
            self.distrusted(&granted, alert);
        }
        granted.complete();
    }

    async fn serve(&self, granted: &Granted<S>, client: impl Transport, scheme: Scheme, h2: bool) {
        let tunnel = Some(Arc::clone(&granted.authority));
        let info = ConnInfo { scheme, tunnel, ..granted.conn.clone() };
        let (service, limits) = (Arc::new(self.clone()), Arc::clone(&self.common.limits));
        let drain = self.common.patience.drain.signal();
        let end = if h2 {
            serve_http2(client, info, service, limits, drain).await
        } else {
            serve_connection(client, info, service, limits, drain).await
        };
        tracing::trace!(?end, "connection in a tunnel closed");
    }

    /// A handshake that failed.
    fn not_accepted(&self, granted: Granted<S>, error: &AcceptError) {
        let authority = &granted.authority;
        let fault = error.fault();
        let reason = match fault {
            Fault::Trust => {
                let alert = if let AcceptError::Refused { alert, .. } = error { alert } else { "none" };
                self.distrusted(&granted, alert);
                "certificate-refused"
            }
            Fault::Ours => {
                tracing::error!(%authority, %error, "a TLS connection could not be opened");
                "tls-failed"
            }
            Fault::Client | Fault::Connection => {
                tracing::info!(%authority, %error, "a TLS connection with a client did not come about");
                "tls-failed"
            }
        };
        // A client that goes away asks for nothing.
        if matches!(fault, Fault::Ours | Fault::Client) || matches!(error, AcceptError::Timeout(_)) {
            self.inner.turned_away();
        }
        granted.fail(reason);
    }

    /// A client said that it does not accept our certificate.
    fn distrusted(&self, granted: &Granted<S>, alert: &str) {
        self.common.tunnels.distrusted();
        self.inner.turned_away();
        if let Some(opening) = &self.common.opening {
            opening.note_refused(&granted.target.host, granted.target.bare_host(), alert);
        }
    }
}

fn note_accepted(common: &Common, host: &str) {
    if let Some(opening) = &common.opening {
        opening.refusals.note_accepted(host);
    }
}
