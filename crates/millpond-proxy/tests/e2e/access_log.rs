//! The log of requests: one line each, and no secrets in it.

use crate::support::http2::{Http2, request};
use crate::support::{Origin, Setup, proxy};
use millpond_tape::redact::PARAMS;

async fn logged(format: &str, requests: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let origin =
        Origin::script(["HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello"])
            .await;
    let log = proxy(&origin)
        .set("access_log.format", format)
        .set("access_log.file", file.to_str().unwrap().to_owned());
    let proxy = log.set("workers", 2).start();
    for (method, target) in requests {
        proxy.client().await.ask(method, target, "").await;
    }
    proxy.stop();
    proxy.stopped().await;
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn text_lines() {
    let mut lines = logged("text", &[("GET", "/a"), ("GET", "/a"), ("TRACE", "/b")]).await;
    // Each worker writes its own block.
    lines.sort_by_key(|line| (line.contains("/b"), line.contains(" hit ")));
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(
        words[0][..7],
        ["2026-01-01T00:00:00.000Z", "127.0.0.1", "\"GET", "/a\"", "200", "5", "miss"],
        "{lines:?}"
    );
    assert_eq!(words[1][2..8], ["\"GET", "/a\"", "200", "5", "hit", "-"], "{lines:?}");
    assert_eq!(words[2][2..5], ["\"TRACE", "/b\"", "405"], "{lines:?}");
    assert!(words.iter().all(|words| words[9].len() == 32), "{lines:?}");
}

#[tokio::test]
async fn json_lines() {
    let lines = logged("json", &[("GET", "/a?q=1")]).await;
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((line["method"].as_str(), line["target"].as_str()), (Some("GET"), Some("/a?q=1")));
    assert_eq!((line["status"].as_u64(), line["bytes"].as_u64()), (Some(200), Some(5)));
    assert_eq!((line["cache"].as_str(), line["client"].as_str()), (Some("miss"), Some("127.0.0.1")));
    assert_eq!(
        (line["complete"].as_bool(), line["time"].as_str()),
        (Some(true), Some("2026-01-01T00:00:00.000Z"))
    );
    assert_eq!(line["request_id"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn secrets_in_queries_are_left_out() {
    let targets = [
        "/a?token=SECRET&page=2",
        "/a?api_key=SECRET",
        "/a?X-Amz-Signature=SECRET",
        "/a?access_token=SECRET&page=2",
        "/a?PASSWORD=SECRET",
        "/a?%74oken=SECRET",
        "/a?apiKey=SECRET",
        "/a?auth[0]=SECRET",
        "/a?X-Amz-Credential=SECRET",
        "/a?X-Amz-Security-Token=SECRET",
        "/a?q=1;sid=SECRET;r=2",
        "/a?session=SECRET",
        "/a?user%5Bpwd%5D=SECRET",
        "/a?id:pin=SECRET",
        "/a?jwt=SECRET&otp=SECRET;pass=SECRET",
        "/a?PHP.sessionid=SECRET",
    ];
    let requests: Vec<(&str, &str)> = targets.iter().map(|target| ("GET", *target)).collect();
    for format in ["text", "json"] {
        let lines = logged(format, &requests).await;
        assert_eq!(lines.len(), targets.len());
        assert!(
            lines.iter().all(|line| !line.contains("SECRET") && line.contains("=[redacted]")),
            "{lines:#?}"
        );
        assert_eq!(lines.iter().filter(|line| line.contains("page=2")).count(), 2);
    }
}

#[tokio::test]
async fn what_is_kept_off_tapes_is_not_logged() {
    let targets = PARAMS.map(|name| format!("/a?{name}=SECRET"));
    let requests: Vec<(&str, &str)> = targets.iter().map(|target| ("GET", target.as_str())).collect();
    let lines = logged("text", &requests).await;
    assert_eq!(lines.len(), targets.len());
    assert!(lines.iter().all(|line| !line.contains("SECRET") && line.contains("=[redacted]")), "{lines:#?}");
}

/// What a client writes into a target can neither end the field it stands in nor the line.
#[tokio::test]
async fn targets_cannot_forge_a_line() {
    let targets = [r#"/a"\b"#, r#"/"%20200%200?token=x;y=z"#];
    let requests: Vec<(&str, &str)> = targets.iter().map(|target| ("GET", *target)).collect();
    let mut lines = logged("text", &requests).await;
    lines.sort_by_key(|line| !line.contains("/a"));
    let shown: Vec<&str> = lines.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(shown, [r"GET /a\x22\x5Cb", r"GET /\x22%20200%200?token=[redacted];y=z"], "{lines:#?}");
    assert!(lines.iter().all(|line| line.matches('"').count() == 2), "{lines:#?}");
}

/// What the front answers by itself stands in the log under the identifier that its client was told.
#[tokio::test]
async fn refused_requests_have_an_identifier() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let proxy = Setup::new()
        .set("origin", "http://127.0.0.1:9")
        .set("access_log.format", "json")
        .set("access_log.file", file.to_str().unwrap().to_owned())
        .start();
    let mut told = Vec::new();
    let many = "A: b\r\n".repeat(200);
    for (more, status) in [("Content-Length: none\r\n", 400), (many.as_str(), 431), ("Expect: much\r\n", 417)]
    {
        let reply = proxy.client().await.ask("GET", "/", more).await;
        reply.problem(status);
        told.push((u64::from(status), reply.get("x-request-id").unwrap()));
    }
    let mut request = request("GET", "/");
    for _ in 0..200 {
        request.headers_mut().append("a", "b".parse().unwrap());
    }
    let reply = Http2::to(&proxy).await.ask(request).await;
    let id = reply.get("x-request-id").unwrap().to_owned();
    assert!(reply.status == 431 && reply.text().contains(&format!("\"request_id\":\"{id}\"")), "{reply:?}");
    told.push((431, id));
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let logged: Vec<_> = lines
        .map(|line| (line["status"].as_u64().unwrap(), line["request_id"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(logged, told, "{text}");
    assert!(told.iter().all(|(_, id)| id.len() == 32), "{told:?}");
}
