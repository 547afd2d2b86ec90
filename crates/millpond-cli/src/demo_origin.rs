//! The sample origin of `millpond demo`: a small shop's API that takes its time.

use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Body, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond::front::{ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, serve_connection};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long every answer takes.
pub(crate) const DELAY: Duration = Duration::from_millis(400);

/// Lifetime of what the sample origin serves, seconds.
pub(crate) const MAX_AGE: u64 = 2;

const TAG: &str = "\"menu-1\"";

/// Starts the origin on a free port of loopback, within the current runtime.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let service = Arc::new(Shop { served: AtomicU64::new(0) });
    tokio::spawn(async move {
        let drain = Drain::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (service, signal) = (Arc::clone(&service), drain.signal());
            tokio::spawn(async move {
                let limits = Arc::new(FrontLimits::default());
                serve_connection(stream, ConnInfo::new(0), service, limits, signal).await;
            });
        }
    });
    Ok(address)
}

struct Shop {
    served: AtomicU64,
}

impl Service for Shop {
    type Log = ();

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn ready(&self, _: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        None
    }

    async fn call(&self, request: Request, _: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        tokio::time::sleep(DELAY).await;
        let served = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        let (head, body) = answer(&request.head, served);
        Reply::new(head, Body::from_bytes(body), ())
    }
}

fn answer(request: &RequestHead, served: u64) -> (ResponseHead, String) {
    match request.path_and_query.as_str() {
        "/products" => {
            let body = format!(
                "{{\"products\":[\"pond lily\",\"reed\",\"carp\"],\"answered_by_origin\":{served}}}\n"
            );
            let caching = format!("max-age={MAX_AGE}, stale-while-revalidate=60");
            (head(StatusCode::OK, &[("Content-Type", "application/json"), ("Cache-Control", &caching)]), body)
        }
        "/menu" if request.fields.get("if-none-match") == Some(TAG.as_bytes()) => {
            (head(StatusCode::NOT_MODIFIED, &[("ETag", TAG)]), String::new())
        }
        "/menu" => {
            let fields = [("Content-Type", "application/json"), ("Cache-Control", "no-cache"), ("ETag", TAG)];
            (head(StatusCode::OK, &fields), "{\"menu\":[\"bread\",\"cheese\"]}\n".to_owned())
        }
        _ => (head(StatusCode::NOT_FOUND, &[]), "try /products or /menu\n".to_owned()),
    }
}

fn head(status: StatusCode, fields: &[(&str, &str)]) -> ResponseHead {
    ResponseHead { fields: fields.iter().copied().collect(), ..ResponseHead::new(status) }
}
