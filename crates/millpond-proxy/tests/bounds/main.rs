//! What clients can make a forward proxy hold: memory and descriptors are the process's, hence a process of its own and one
//! test at a time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, unused_imports, reason = "shared with other test binaries, which use the rest")]
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write as _;
use support::{Client, Origin, Setup, closed_port, soon};
use tokio::sync::Mutex;

static ALONE: Mutex<()> = Mutex::const_new(());

/// A forward proxy for which every name may be `127.0.0.1`.
fn forward() -> Setup {
    Setup::new().set("forward.private_addresses", true)
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of it");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Each of them leads to the same address, which refuses the connection: what is left is what the proxy keeps of the name.
#[tokio::test]
async fn thousands_of_hosts_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let proxy = forward().set("limits.origin_connections", 4).set("memory.size", "8MiB").forward();
    let (_held, closed) = closed_port();
    let ask = |from: u32, to: u32| {
        let address = proxy.address;
        async move {
            for chunk in (from..to).collect::<Vec<_>>().chunks(50) {
                let mut client = Client::to(address).await;
                let mut requests = String::new();
                for host in chunk {
                    let _ =
                        write!(requests, "GET http://h{host}.example:{closed}/ HTTP/1.1\r\nHost: x\r\n\r\n");
                }
                client.send(requests).await;
                for _ in chunk {
                    assert_eq!(client.reply().await.status, 502);
                }
            }
        }
    };
    ask(0, 2_500).await;
    let (memory, files) = (resident(), descriptors());
    ask(2_500, 10_000).await;
    let (memory_after, files_after) = (resident(), descriptors());
    assert!(memory_after < memory + 8 * 1024 * 1024, "{memory} bytes became {memory_after}");
    assert!(files_after <= files + 8, "{files} descriptors became {files_after}");
}

/// Connections to origins of which there are too many go with them.
#[tokio::test]
async fn idle_connections_to_many_hosts_are_bounded() {
    let _alone = ALONE.lock().await;
    let origin = Origin::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()).await;
    let proxy = forward().forward();
    let mut client = Client::to(proxy.address).await;
    let hosts = 2500;
    for host in 0..hosts {
        let url = format!("http://h{host}.example:{}/", origin.address.port());
        assert_eq!(client.ask("GET", &url, "").await.text(), "ok");
    }
    // Each was a connection of its own, and all but those kept are closed by now or soon.
    assert_eq!(origin.connections(), hosts);
    soon(origin.until_closed(hosts - 1100)).await;
}
