//! Targets that clients may not choose. "Refused" means that nothing is sent to them, not one packet.

use super::{ask, get};
use crate::support::{Client, Origin, Proxy, Setup, names};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin, and a proxy for which every name leads to it.
async fn behind_names(setup: Setup) -> (Origin, Proxy) {
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"; 4]).await;
    (origin, setup.forward())
}

/// A proxy for which every name leads to `address`.
fn leading_to(setup: Setup, address: &'static str) -> Proxy {
    let address: IpAddr = address.parse().unwrap();
    setup.try_forward(names(move |_| vec![address])).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn names_of_the_internet_do_not_lead_inside() {
    let (origin, proxy) = behind_names(Setup::new()).await;
    let text = get(&proxy, "public.example.com", origin.address, "/", "").await.problem(403);
    assert!(text.contains("target-refused") && text.contains("forward.private_addresses"), "{text}");
    let authority = format!("public.example.com:{}", origin.address.port());
    let text = Client::to(proxy.address).await.connect(&authority).await.problem(403);
    assert!(text.contains("target-refused") && text.contains("forward.allow"), "{text}");
    assert_eq!(origin.connections(), 0);
    for inside in
        ["localhost", "machine", "printer.local", "a.b.internal", "x.test", "y.home.arpa", "z.localhost"]
    {
        let reply = get(&proxy, inside, origin.address, "/", "").await;
        assert_eq!(reply.status, 200, "{inside}: {reply:?}");
    }
}

#[tokio::test]
async fn every_private_address_counts() {
    let inside = [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.9.9",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fd12::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::1",
        "::10.0.0.1",
        // A network's own NAT64, with prefixes of 96, 64, 56 and 48 bits.
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:0:a:0:100:0",
        "64:ff9b:1:a:0:1::",
        "64:ff9b:1:a00:0:100::",
        "64:ff9b:1:7f00:0:100::",
        "::ffff:0:10.0.0.1",
        // Teredo: the client 10.0.0.1, inverted; the server 192.168.1.1.
        "2001:0:808:808:0:0:f5ff:fffe",
        "2001:0:c0a8:101:0:0:f7f7:f7f7",
        // ISATAP.
        "2400:1::5efe:10.0.0.1",
        "2400:1::200:5efe:10.0.0.1",
    ];
    for address in inside {
        let proxy = leading_to(Setup::new(), address);
        let text = ask(&proxy, "GET", "http://public.example.com:9/", "").await.problem(403);
        assert!(text.contains("private network"), "{address}: {text}");
    }
}

/// Addresses that stand for one of the internet are as good as it.
#[tokio::test]
async fn translated_addresses_of_the_internet_are_no_private_ones() {
    let outside = [
        "64:ff9b::203.0.113.1",
        "64:ff9b:1::203.0.113.1",
        "64:ff9b:1:0:cb:71:100:0",
        "64:ff9b:1:cb:0:7101::",
        "64:ff9b:1:cb00:71:100::",
        "2001:0:cb00:7101:0:0:34ff:8efe",
        "2002:cb00:7101::1",
    ];
    for address in outside {
        let ip: IpAddr = address.parse().unwrap();
        let setup = Setup::new().set("limits.connect_timeout", "50ms");
        let proxy = setup.try_forward(names(move |_| vec![ip])).unwrap_or_else(|error| panic!("{error}"));
        let reply = ask(&proxy, "GET", "http://public.example.com:9/", "").await;
        // They are set apart for documentation, and nobody is there.
        assert!(matches!(reply.status, 502 | 504), "{address}: {reply:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_allowed_by_its_name_may_be_inside() {
    let setup = Setup::new().set("forward.allow", vec!["in.example.com", "*.example.net"]);
    let (origin, proxy) = behind_names(setup).await;
    let reply = get(&proxy, "in.example.com", origin.address, "/", "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    // A wildcard lets anyone who runs the domain choose the name, and where it leads.
    let text = get(&proxy, "a.example.net", origin.address, "/", "").await.problem(403);
    assert!(text.contains("private network"), "{text}");
    for other in ["example.com", "a.in.example.com", "example.net", "127.0.0.1"] {
        let text = get(&proxy, other, origin.address, "/", "").await.problem(403);
        assert!(text.contains("forward.allow") && !text.contains("private"), "{other}: {text}");
        let authority = format!("{other}:{}", origin.address.port());
        Client::to(proxy.address).await.connect(&authority).await.problem(403);
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn metadata_addresses_are_refused_however_they_are_written() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver = names(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        vec!["169.254.169.254".parse().unwrap()]
    });
    let setup = Setup::new().set("forward.private_addresses", true).set("forward.open_to_all", true);
    let proxy = setup.try_forward(resolver).unwrap_or_else(|error| panic!("{error}"));
    let literals = [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "192.0.0.192",
        "169.254.0.1",
        "168.63.129.16",
        "[64:ff9b:1::169.254.169.254]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
        "[::ffff:0:169.254.169.254]",
        "[2001:0:808:808::5601:5601]",
        "[2400:1::5efe:169.254.169.254]",
    ];
    for host in literals {
        let text = ask(&proxy, "GET", &format!("http://{host}/latest/meta-data/"), "").await.problem(403);
        assert!(
            text.contains("target-refused") && text.contains("forward.refuse_addresses"),
            "{host}: {text}"
        );
        let text = Client::to(proxy.address).await.connect(&format!("{host}:80")).await.problem(403);
        assert!(text.contains("forward.refuse_addresses"), "{host}: {text}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "an address is not resolved");
    for name in ["metadata.example.com", "metadata"] {
        let text = ask(&proxy, "GET", &format!("http://{name}/"), "").await.problem(403);
        assert!(text.contains("forward.refuse_addresses"), "{name}: {text}");
        assert!(!text.contains("169.254"), "where a name leads is for the log: {text}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one look-up each: what was checked is what is connected to");
}

/// Of several addresses those that may be connected to are.
#[tokio::test]
async fn refused_addresses_do_not_spoil_the_others() {
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    let resolver = names(|_| ["169.254.169.254", "127.0.0.1"].map(|ip| ip.parse().unwrap()).to_vec());
    let proxy = Setup::new().try_forward(resolver).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(get(&proxy, "both.test", origin.address, "/", "").await.text(), "ok");
}

#[tokio::test]
async fn the_proxy_does_not_ask_itself() {
    let proxy = Setup::new().forward();
    let port = proxy.address.port();
    let text = ask(&proxy, "GET", &format!("http://127.0.0.1:{port}/"), "").await.problem(508);
    assert!(text.contains("itself"), "{text}");
    let text = ask(&proxy, "GET", &format!("http://localhost:{port}/"), "").await.problem(508);
    assert!(text.contains("itself") && text.contains("problem:loop"), "{text}");
    Client::to(proxy.address).await.connect(&format!("localhost:{port}")).await.problem(508);
}

#[tokio::test]
async fn listener_beyond_loopback_needs_a_guard() {
    let open = |setup: Setup| {
        setup.set("listen", "0.0.0.0:0").try_forward(names(|_| vec!["127.0.0.1".parse().unwrap()]))
    };
    let message = open(Setup::new()).err().expect("refused").to_string();
    assert!(message.contains("forward.allow") && message.contains("forward.open_to_all"), "{message}");
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"; 4]).await;
    let to = |proxy: &Proxy| std::net::SocketAddr::from(([127, 0, 0, 1], proxy.address.port()));
    let url = |host: &str| format!("http://{host}:{}/", origin.address.port());
    // Whoever reaches it from outside does not reach what listens on this machine alone.
    let proxy = open(Setup::new().set("forward.open_to_all", true)).unwrap_or_else(|error| panic!("{error}"));
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "127.9.9.9"] {
        let text = Client::to(to(&proxy)).await.ask("GET", &url(host), "").await.problem(403);
        assert!(text.contains("this machine itself"), "{host}: {text}");
    }
    assert_eq!(origin.connections(), 0);
    let setup = Setup::new().set("forward.allow", vec!["localhost"]);
    let proxy = open(setup).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(Client::to(to(&proxy)).await.ask("GET", &url("localhost"), "").await.text(), "ok");
}
