//! Cache-Status (RFC 9211): its members, and what each parameter says.

use crate::commands::terminal;
use millpond::exchange::Fields;
use millpond::policy::Reason;

/// The name by which this program calls itself.
const OWN: &str = "millpond";

/// What one cache says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The name of the cache.
    pub name: String,
    /// Its parameters, a bare one without a value.
    pub parameters: Vec<(String, Option<String>)>,
}

impl Member {
    /// True where it is this program that speaks.
    pub fn is_own(&self) -> bool {
        self.name == OWN
    }

    /// True when it has the parameter `name`.
    pub fn says(&self, name: &str) -> bool {
        self.parameters.iter().any(|(own, _)| own == name)
    }
}

/// Every member of the Cache-Status fields: the cache nearest to the origin comes first.
pub(super) fn members(fields: &Fields) -> Vec<Member> {
    let mut all = Vec::new();
    for line in fields.get_all("cache-status") {
        let line = String::from_utf8_lossy(line);
        for member in split(&line, ',').filter(|member| !member.is_empty()) {
            let mut parts = split(member, ';');
            let name = bare(parts.next().unwrap_or_default());
            let parameters = parts.filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
                Some((name, value)) => (bare(name), Some(bare(value))),
                None => (bare(part), None),
            });
            all.push(Member { name, parameters: parameters.collect() });
        }
    }
    all
}

/// The pieces of `text` between separators that stand outside of strings (RFC 9651 section 3.3.3).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = text.split(move |c: char| {
        let found = c == separator && !quoted;
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && quoted && !escaped;
        found
    });
    pieces.map(str::trim)
}

/// A token, number or string as text that is fit for a terminal.
fn bare(item: &str) -> String {
    let item = item.trim();
    let string = item.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text =
        string.map_or_else(|| item.to_owned(), |text| text.replace("\\\"", "\"").replace("\\\\", "\\"));
    terminal::plain(&text).into_owned()
}

/// What a parameter says, in a sentence.
pub(super) fn meaning(name: &str, value: Option<&str>) -> String {
    match (name, value) {
        ("hit", None) => {
            "Answered from the cache, without asking the origin (RFC 9211 section 2.1).".to_owned()
        }
        ("fwd", Some(why)) => format!("{} (RFC 9211 section 2.2).", forward(why)),
        ("fwd-status", Some("304")) => {
            "The origin answered 304: what is stored was confirmed (RFC 9211 section 2.3).".to_owned()
        }
        ("fwd-status", Some(status)) => format!("The origin answered {status} (RFC 9211 section 2.3)."),
        ("ttl", Some(ttl)) => match ttl.parse::<i64>() {
            Ok(1..) => format!("Fresh for {ttl} more seconds (RFC 9211 section 2.4)."),
            Ok(ttl) => format!("Stale since {} seconds (RFC 9211 section 2.4).", ttl.unsigned_abs()),
            Err(_) => "Not a number of seconds (RFC 9211 section 2.4).".to_owned(),
        },
        ("stored", None) => "The response was stored (RFC 9211 section 2.5).".to_owned(),
        ("collapsed", _) => {
            "Another request was asking for the same, and this one shared its answer (RFC 9211 section 2.6)."
                .to_owned()
        }
        ("key", Some(_)) => "The key it is stored under (RFC 9211 section 2.7).".to_owned(),
        ("detail", Some(detail)) => Reason::ALL.iter().find(|reason| reason.as_str() == detail).map_or_else(
            || "A detail that only the server's log tells more of (RFC 9211 section 2.8).".to_owned(),
            |reason| reason.explain().to_owned(),
        ),
        _ => "Not a parameter of RFC 9211.".to_owned(),
    }
}

fn forward(why: &str) -> &'static str {
    match why {
        "bypass" => "A pass rule, a precondition or content in the request sends it past the cache",
        "method" => "The method must be forwarded",
        "uri-miss" => "Nothing is stored for this URL",
        "vary-miss" => "Something is stored for this URL, but for other values of the fields it varies on",
        "miss" => "Nothing usable is stored",
        "request" => "What is stored is fresh, but the request asks for more",
        "stale" => "What is stored has expired, or must be validated each time",
        "partial" => "Parts are stored, but not all that is asked for",
        _ => "Forwarded for a reason that RFC 9211 does not name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<Member> {
        let mut fields = Fields::new();
        fields.append("Cache-Status", line).unwrap();
        members(&fields)
    }

    #[test]
    fn separators_within_strings_separate_nothing() {
        let found = of(r#""a, b; c" ; hit;key="x\"; hit, y" , millpond; fwd=stale; detail=stale"#);
        let names: Vec<&str> = found.iter().map(|member| &*member.name).collect();
        assert_eq!(names, ["a, b; c", "millpond"]);
        assert_eq!(found[0].parameters[1], ("key".into(), Some("x\"; hit, y".into())));
        assert!(found[1].is_own() && found[1].says("fwd") && !found[1].says("hit"));
    }

    #[test]
    fn nothing_in_it_reaches_the_terminal_raw() {
        let found = of("other; detail=\"a\tb\"");
        assert_eq!(found[0].parameters[0].1.as_deref(), Some("a?b"));
    }

    #[test]
    fn every_reason_is_known_by_its_name() {
        for reason in Reason::ALL {
            assert_eq!(meaning("detail", Some(reason.as_str())), reason.explain());
        }
        assert!(meaning("ttl", Some("-5")).contains("since 5 seconds"));
    }
}
