//! An exchange as a line of a JSON tape, written without any part of millpond (`docs/reference/tapes.md`).

use serde_json::json;

/// A GET answered with this text, begun at this time, seconds since 1970. `fields` are further ones of the response.
pub fn exchange(url: &str, fields: &[(&str, &str)], content: &str, at: f64) -> String {
    let host = url.split('/').nth(2).unwrap_or_default();
    let mut headers = vec![("Content-Type", "text/plain")];
    headers.extend(fields);
    let line = json!({
        "v": 1,
        "request": {
            "method": "GET",
            "url": url,
            "http_version": "HTTP/1.1",
            "headers": [["Host", host]],
            "content": "",
        },
        "response": {
            "status_code": 200,
            "reason": "OK",
            "http_version": "HTTP/1.1",
            "headers": headers,
            "content": content,
        },
        "timings": { "request_started": at },
    });
    line.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::workspace;

    #[test]
    fn every_member_is_one_of_the_format() {
        let reference = std::fs::read_to_string(workspace::root().join("docs/reference/tapes.md")).unwrap();
        let line: Value = serde_json::from_str(&exchange("http://a.test/b", &[], "c", 1.5)).unwrap();
        assert_eq!(line["request"]["headers"][0][1], "a.test");
        for (member, value) in line.as_object().unwrap() {
            let row = reference.lines().find(|line| line.starts_with(&format!("| `{member}` |")));
            let row = row.unwrap_or_else(|| panic!("{member} is no member"));
            for inner in value.as_object().into_iter().flat_map(|value| value.keys()) {
                assert!(row.contains(&format!("`{inner}`")), "{inner} is not in: {row}");
            }
        }
    }
}
