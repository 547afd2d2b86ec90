//! What Chromium wrote as HAR answers here. Playwright recorded the archive over HTTP/2: a page with its style, script and
//! image, JSON, a form, a redirect and an answer without content.

use crate::home::Home;
use crate::proxies::Proxy;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const ARCHIVE: &str = include_str!("../../../millpond-tape/tests/fixtures/har/playwright.har");

/// Asks for what `entry` asked for. Gives the status and where it redirects to, and the content.
fn again(home: &Home, proxy: &Proxy, entry: &Value) -> (String, Vec<u8>) {
    let request = &entry["request"];
    let mut curl = home.program("curl");
    curl.args(["--silent", "--show-error", "--max-time", "50", "--http2", "--proxy", &proxy.url, "--cacert"])
        .arg(&proxy.authority)
        .args(["--compressed", "--output", "content", "--write-out", "%{http_code} %{redirect_url}"])
        .args(["--request", request["method"].as_str().unwrap()]);
    if let Some(posted) = request["postData"].as_object() {
        curl.arg("--header").arg(format!("Content-Type: {}", posted["mimeType"].as_str().unwrap()));
        curl.arg("--data-raw").arg(posted["text"].as_str().unwrap());
    }
    home.write("content", []);
    let output = curl.arg(request["url"].as_str().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}: {}", request["url"], String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), std::fs::read(home.path("content")).unwrap())
}

/// What the browser got.
fn shown(entry: &Value) -> (String, Vec<u8>) {
    let response = &entry["response"];
    let text = response["content"]["text"].as_str().unwrap_or_default();
    let content = match response["content"]["encoding"].as_str() {
        Some("base64") => BASE64_STANDARD.decode(text).unwrap(),
        _ => text.into(),
    };
    (format!("{} {}", response["status"], response["redirectURL"].as_str().unwrap()), content)
}

#[test]
fn what_a_browser_recorded_answers_here() {
    let home = Home::new();
    std::fs::create_dir(home.path("tapes")).unwrap();
    home.write("tapes/browser.har", ARCHIVE);
    let proxy = Proxy::millpond(&home, &["replay", "--tape", "tapes"]);
    let archive: Value = serde_json::from_str(ARCHIVE).unwrap();
    let entries = archive["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    for entry in entries {
        assert_eq!(again(&home, &proxy, entry), shown(entry), "{}", entry["request"]["url"]);
    }
    proxy.stop();
}
