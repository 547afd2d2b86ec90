//! Flow files as mitmproxy loads them, compared with what the origin saw and said.

use crate::home::Home;
use crate::proxies::{mitmdump, python};
use crate::site::Seen;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The flows that mitmproxy finds in `tape`; a HAR goes through mitmdump's own import first.
pub fn load(home: &Home, tape: &Path) -> Vec<Value> {
    let imported = home.path("imported.flows");
    let from = if tape.extension().is_some_and(|ending| ending == "har") {
        let mut import = mitmdump(home).unwrap();
        import.args(["--quiet", "--no-server", "--rfile"]).arg(tape).arg("--save-stream-file").arg(&imported);
        assert!(import.status().unwrap().success());
        &imported
    } else {
        tape
    };
    let script: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../millpond-tape/tests/interop/flows.py"].iter().collect();
    let mut describe = home.program(python().unwrap().to_str().unwrap());
    let output = describe.arg("-B").arg(script).arg("describe").arg(from).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    files.remove(0)
}

/// The bytes of a member that holds bytes.
pub fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().and_then(|text| text.strip_prefix("b:")).unwrap();
    text.chars().map(|one| u8::try_from(u32::from(one)).unwrap()).collect()
}

fn text(value: &Value) -> String {
    String::from_utf8(bytes(value)).unwrap()
}

/// The first value of a field; empty where there is none.
fn field(message: &Value, wanted: &str) -> String {
    let fields = message["headers"].as_array().unwrap().iter();
    let mut found = fields.filter(|field| text(&field[0]).eq_ignore_ascii_case(wanted));
    found.next().map(|field| text(&field[1])).unwrap_or_default()
}

/// Whether a flow is what the origin on `port` saw and said, but for the content of the response.
pub fn heads_match(flow: &Value, seen: &Seen, port: u16) {
    let (request, response) = (&flow["request"], &flow["response"]);
    let what = format!("{} {}", seen.method, seen.target);
    assert_eq!(format!("{} {}", text(&request["method"]), text(&request["path"])), what);
    let place = (text(&request["scheme"]), request["host"].as_str(), request["port"].as_u64());
    assert_eq!(place, ("https".into(), Some("localhost"), Some(port.into())), "{what}");
    assert_eq!(bytes(&request["content"]), seen.sent, "{what}");
    assert_eq!(response["status_code"], seen.status, "{what}");
    assert_eq!(field(response, "content-type"), seen.kind, "{what}");
}

/// Flows and what they are of, side by side: what broke off is written when that is noticed, so the order may be another.
pub fn paired<'a>(flows: &'a [Value], seen: &'a [Seen]) -> Vec<(&'a Value, &'a Seen)> {
    let (mut flows, mut seen): (Vec<_>, Vec<_>) = (flows.iter().collect(), seen.iter().collect());
    flows.sort_by_key(|flow| text(&flow["request"]["path"]));
    seen.sort_by_key(|seen| seen.target.clone());
    assert_eq!(
        flows.len(),
        seen.len(),
        "flows counted: mitmproxy passes over in silence what it cannot read"
    );
    flows.into_iter().zip(seen).collect()
}

/// Whether the version of HTTP is the one that the client spoke, which the URL tells.
pub fn version_matches(flow: &Value, seen: &Seen) {
    let version = text(&flow["request"]["http_version"]);
    match seen.target.split_once("over=") {
        Some((_, "1")) => assert_eq!(version, "HTTP/1.1", "{}", seen.target),
        Some((_, "2")) => assert_eq!(version, "HTTP/2.0", "{}", seen.target),
        _ => assert!(seen.target.ends_with("?moved"), "{}", seen.target),
    }
}
