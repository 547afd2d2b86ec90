//! A hit within an opened tunnel contacts nobody.

use crate::home::Home;
use crate::secure::SecureOrigin;
use crate::server::Server;
use crate::trace::{CALLS, Trace};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A way to an origin that counts who goes it.
struct Counted {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Counted {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let origin = TcpStream::connect(("127.0.0.1", port)).unwrap();
                for (mut from, mut to) in
                    [(client.try_clone().unwrap(), origin.try_clone().unwrap()), (origin, client)]
                {
                    std::thread::spawn(move || {
                        // An error is an end as well.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[test]
fn an_intercepted_hit_contacts_nobody() {
    let (home, secure) = (Home::new(), SecureOrigin::start());
    let port = secure.url("").rsplit_once(':').unwrap().1.parse().unwrap();
    let (way, certificate, file) = (Counted::to(port), secure.certificate(), home.path("calls"));
    let command =
        home.bare(&["proxy", "--listen", "127.0.0.1:0", "--intercept-all", "--upstream-ca", &certificate]);
    let server = Server::traced(&command, CALLS, &file);
    let ca = home.stdout_of(&["ca", "path"]);
    let ask = |path: &str, version: &str| {
        let mut curl = home.program("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--include",
            version,
            "--proxy",
            &server.url(),
        ]);
        curl.args(["--cacert", ca.trim(), &format!("https://localhost:{}{path}", way.address.port())]);
        String::from_utf8(curl.output().unwrap().stdout).unwrap().to_ascii_lowercase()
    };
    assert_eq!(way.connections(), 0);
    let first = ask("/a", "--http1.1");
    assert!(first.contains("x-cache: miss") && first.ends_with("get /a\n"), "{first}");
    let contacts = way.connections();
    assert!(contacts > 0, "a miss does");
    for version in ["--http1.1", "--http2", "--http1.1", "--http2"] {
        let again = ask("/a", version);
        assert!(again.contains("x-cache: hit") && again.ends_with("get /a\n"), "{version}: {again}");
        assert_eq!(way.connections(), contacts, "{version}");
    }
    server.stop();
    let trace = Trace::read(&file);
    let to_origin = format!("sin_port=htons({})", way.address.port());
    assert_eq!(trace.contacts.iter().filter(|contact| contact.to.contains(&to_origin)).count(), contacts);
    assert_eq!(trace.strange(&[to_origin, "nscd".to_owned()]), Vec::<&crate::trace::Contact>::new());
}
