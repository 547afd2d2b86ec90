//! Clients that are not ours: curl and Node, through a server that answers one request for each connection.

use crate::support::{Bench, LIMIT};
use millpond_intercept::{AcceptError, Trust};
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

/// What curl makes of a request to `host`, and what we make of curl.
async fn curl(bench: &Bench, host: &str, args: &[&str]) -> Option<(Output, Result<Trust, AcceptError>)> {
    run(bench, host, |port| {
        let mut command = Command::new("curl");
        let to = format!("{host}:443:127.0.0.1:{port}");
        command
            .args(["-sS", "--noproxy", "*", "--connect-to", &to])
            .args(args)
            .arg(format!("https://{host}/"));
        command
    })
    .await
}

/// What Node makes of a request to `host`, and what we make of Node, which trusts `extra` besides.
async fn node(bench: &Bench, host: &str, extra: &Path) -> Option<(Output, Result<Trust, AcceptError>)> {
    const SCRIPT: &str = "const [host, port] = process.argv.slice(1);
        require('https').get({ host: '127.0.0.1', port, servername: host, headers: { host } }, (response) => {
            response.pipe(process.stdout);
        }).on('error', (error) => { console.error(error.code); process.exitCode = 1; });";
    run(bench, host, |port| {
        let mut command = Command::new("node");
        command.args(["-e", SCRIPT, host, &port.to_string()]).env("NODE_EXTRA_CA_CERTS", extra);
        command
    })
    .await
}

/// Runs a client of one connection; `None` where there is no such program.
async fn run(
    bench: &Bench,
    host: &str,
    command: impl FnOnce(u16) -> Command,
) -> Option<(Output, Result<Trust, AcceptError>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut command = command(listener.local_addr().unwrap().port());
    let child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    let serve = async {
        let (ours, _) = listener.accept().await.unwrap();
        let mut accepted = bench.interceptor.accept(ours, host, LIMIT).await?;
        let trust = accepted.trust();
        let mut head = [0; 4096];
        if accepted.io.read(&mut head).await.is_ok_and(|read| read > 0) {
            let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
            accepted.io.write_all(reply).await.unwrap();
            accepted.io.shutdown().await.unwrap();
            while accepted.io.read(&mut head).await.is_ok_and(|read| read > 0) {}
        }
        Ok(trust.trust())
    };
    let (output, served) = tokio::join!(child.wait_with_output(), serve);
    Some((output.unwrap(), served))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn curl_is_content_with_the_bundle_and_with_the_certificate() {
    let bench = Bench::new();
    let bundle = bench.authority.bundle(None).unwrap();
    for file in [bundle.as_path(), bench.authority.certificate_path()] {
        for extra in ["--tlsv1.3", "--tls-max=1.2", "--http1.0"] {
            let (name, value) =
                extra.split_once('=').map_or((extra, None), |(name, value)| (name, Some(value)));
            let mut args = vec!["--cacert", path(file), name];
            args.extend(value);
            if name != "--http1.0" {
                args.push("--http1.1");
            }
            let Some((output, served)) = curl(&bench, "curl.example", &args).await else { return };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{extra}: {said}");
            assert_eq!(output.stdout, b"hi");
            assert_eq!(served.unwrap(), Trust::Accepted);
        }
    }
    for address in ["192.0.2.9", "[2001:db8::9]"] {
        let args = ["--http1.1", "--cacert", path(bench.authority.certificate_path())];
        let (output, _) = curl(&bench, address, &args).await.unwrap();
        assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn curl_that_does_not_trust_us_is_recognised() {
    let bench = Bench::new();
    let other = Bench::new();
    let file = path(other.authority.certificate_path());
    for version in ["1.2", "1.3"] {
        let args = ["--http1.1", "--cacert", file, "--tls-max", version];
        let Some((output, served)) = curl(&bench, "pinned.example", &args).await else { return };
        assert_eq!(output.status.code(), Some(60), "{}", String::from_utf8_lossy(&output.stderr));
        let error = served.unwrap_err();
        assert!(matches!(error, AcceptError::Refused { .. }), "{version}: {error:?}");
    }
    // One that accepts a single key: it trusts the authority, ends the handshake, and leaves.
    let root = path(bench.authority.certificate_path());
    let pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let args = ["--http1.1", "--cacert", root, "--pinnedpubkey", pin];
    let (output, served) = curl(&bench, "pinned.example", &args).await.unwrap();
    assert_eq!(output.status.code(), Some(90), "{}", String::from_utf8_lossy(&output.stderr));
    match served {
        Ok(trust) => assert!(matches!(trust, Trust::Left | Trust::Refused(_)), "{trust:?}"),
        Err(error) => assert!(matches!(error, AcceptError::Left { .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn node_is_content_with_the_certificate_and_recognised_without() {
    let bench = Bench::new();
    let Some((output, served)) = node(&bench, "node.example", bench.authority.certificate_path()).await
    else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"hi");
    assert_eq!(served.unwrap(), Trust::Accepted);
    // Node looks at the certificate when the handshake is over, and then leaves without an alert.
    let other = Bench::new();
    let (output, served) = node(&bench, "node.example", other.authority.certificate_path()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    match served {
        Ok(trust) => assert_eq!(trust, Trust::Left),
        Err(error) => assert!(matches!(error, AcceptError::Left { .. }), "{error:?}"),
    }
}
