//! Names of targets: look-ups that take their time are in nobody's way, and are bounded.

use super::{ask, forward, get};
use crate::support::{Client, Origin, Proxy, Setup, soon};
use futures_util::FutureExt as _;
use millpond_proxy::Names;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// A nameserver that says nothing about names that begin with `silent`, until it is let go.
#[derive(Clone, Default)]
struct Nameserver(Arc<Inside>);

#[derive(Default)]
struct Inside {
    let_go: Mutex<bool>,
    wake: Condvar,
    asked: AtomicUsize,
}

impl Nameserver {
    fn names(&self) -> Names {
        let inside = Arc::clone(&self.0);
        Names::blocking(move |name| {
            inside.asked.fetch_add(1, Ordering::SeqCst);
            if name.starts_with("unknown") {
                return Err(io::Error::other("no such name"));
            }
            if name.starts_with("silent") {
                let let_go = inside.let_go.lock().unwrap();
                drop(inside.wake.wait_while(let_go, |let_go| !*let_go).unwrap());
            }
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        })
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    async fn until_asked(&self, times: usize) {
        soon(async {
            while self.asked() < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn let_go(&self) {
        *self.0.let_go.lock().unwrap() = true;
        self.0.wake.notify_all();
    }

    fn proxy(&self, setup: Setup) -> Proxy {
        setup.try_forward(self.names()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Look-ups block what lets them; that must not hang a test that failed.
impl Drop for Nameserver {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Asks for tunnels to `silent0.example` and so on, and does not wait for answers.
async fn ask_silent(proxy: &Proxy, names: std::ops::Range<usize>) -> Vec<Client> {
    let mut clients = Vec::new();
    for n in names {
        let mut client = Client::to(proxy.address).await;
        client
            .send(format!("CONNECT silent{n}.example:9 HTTP/1.1\r\nHost: silent{n}.example:9\r\n\r\n"))
            .await;
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn silent_nameserver_does_not_hold_up_what_is_on_disk() {
    let body = "x".repeat(6 << 20);
    let fresh = format!(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let origin = Origin::script([fresh.as_str()]).await;
    let dir = tempfile::tempdir().unwrap();
    let server = Nameserver::default();
    let setup = forward()
        .set("cache_dir", dir.path().to_str().unwrap().to_owned())
        .set("memory.size", "4MiB")
        .set("limits.connect_timeout", "60s");
    let proxy = server.proxy(setup);
    assert_eq!(get(&proxy, "one.example", origin.address, "/", "").await.x_cache(), "MISS");
    soon(async {
        let running = proxy.running.as_ref().unwrap();
        while !running.counters().iter().any(|(name, value)| name == "stored" && value >= 1) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let _clients = ask_silent(&proxy, 0..40).await;
    // As many as a worker has threads for its disk.
    server.until_asked(8).await;
    let again = get(&proxy, "one.example", origin.address, "/", "").await;
    assert_eq!((again.x_cache().as_str(), again.text().len()), ("HIT", body.len()));
    origin.only();
}

#[tokio::test]
async fn names_of_configured_origins_are_looked_up_like_any_other() {
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    let server = Nameserver::default();
    server.let_go();
    let setup = Setup::new().set("origin", format!("http://silent.example:{}", origin.address.port()));
    let proxy = setup.try_start_with(server.names()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(proxy.get("/").await.text(), "ok");
    assert_eq!((server.asked(), origin.connections()), (1, 1));
    let setup = Setup::new().set("origin", "http://unknown.example");
    let proxy = setup.try_start_with(server.names()).unwrap_or_else(|error| panic!("{error}"));
    assert!(proxy.get("/").await.problem(502).contains("origin-connect"));
}

#[tokio::test]
async fn equal_names_are_looked_up_once_and_all_hear_of_it() {
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"; 4]).await;
    let server = Nameserver::default();
    let proxy = server.proxy(forward().set("limits.connect_timeout", "60s"));
    let url = format!("http://silent.example:{}/", origin.address.port());
    let mut clients = Vec::new();
    for n in 0..4 {
        let mut client = Client::to(proxy.address).await;
        client.send(format!("GET {url}{n} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        clients.push(client);
    }
    server.until_asked(1).await;
    // What this asks for is looked up after the others were asked for.
    ask(&proxy, "GET", "http://unknown.example/", "").await.problem(502);
    server.let_go();
    for client in &mut clients {
        assert_eq!(client.reply().await.text(), "ok");
    }
    assert_eq!(server.asked(), 2, "one look-up for four, and one for the other name");
}

#[tokio::test]
async fn names_that_take_too_long_are_said_to_be_the_reason() {
    let server = Nameserver::default();
    let proxy = server.proxy(forward().set("limits.connect_timeout", "100ms"));
    let text = Client::to(proxy.address).await.connect("silent.example:443").await.problem(504);
    assert!(text.contains("problem:dns") && text.contains("nameserver"), "{text}");
    let text = ask(&proxy, "GET", "http://silent.example/", "").await.problem(504);
    assert!(text.contains("origin-timeout") && text.contains("nameserver"), "{text}");
}

/// Beyond the bound there is an answer at once; and what nobody waits for any more is not looked up.
#[tokio::test]
async fn queue_of_names_is_bounded_and_forgets_those_who_left() {
    let server = Nameserver::default();
    let names = server.names();
    let ask = |n: usize| {
        let names = names.clone();
        Box::pin(async move { names.lookup(&format!("silent{n}.example")).await })
    };
    let mut under_way: Vec<_> = (0..16).map(ask).collect();
    for asked in &mut under_way {
        assert!(asked.now_or_never().is_none());
    }
    server.until_asked(16).await;
    let mut queued: Vec<_> = (16..16 + 1024).map(ask).collect();
    for asked in &mut queued {
        assert!(asked.now_or_never().is_none());
    }
    let error = soon(ask(2000)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
    // One more for a name that is asked for already takes no place.
    let mut same = ask(16);
    assert!((&mut same).now_or_never().is_none());
    drop(queued);
    let mut last = ask(2000);
    assert!((&mut last).now_or_never().is_none());
    server.let_go();
    assert_eq!(soon(last).await.unwrap(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    assert_eq!(soon(same).await.unwrap(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    for asked in under_way {
        assert!(soon(asked).await.is_ok());
    }
    assert_eq!(server.asked(), 16 + 2, "those that nobody waited for were not looked up");
}

#[tokio::test]
async fn look_up_that_panics_is_an_error_and_no_more() {
    let names = Names::blocking(|name| {
        assert!(name != "bad.example", "on purpose");
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    });
    for _ in 0..20 {
        assert!(soon(names.lookup("bad.example")).await.is_err());
    }
    assert!(soon(names.lookup("good.example")).await.is_ok());
}
