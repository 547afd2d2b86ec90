//! Whether the content of a POST is GraphQL that only reads: the one thing a cache has to know of the language.
//!
//! What must not live here: any other meaning of a document. Whatever is not known to be a query counts as none.

use crate::body_key::{is_json, is_utf8_if_anything, media_type};
use crate::no_vary_search::form_pairs;
use millpond_exchange::RequestHead;
use millpond_exchange::json::Reader;

/// The members of a request (GraphQL over HTTP section 5.1). Some servers know others that name a document.
const MEMBERS: [&str; 4] = ["query", "variables", "operationName", "extensions"];

/// Parameters of a URL that name a document to some server, which may prefer it to the one in the content; in lower case, and
/// letters and digits alone.
const NAMING_A_DOCUMENT: [&str; 8] =
    ["query", "queryid", "document", "documentid", "docid", "id", "hash", "extensions"];

/// True when `content` asks for GraphQL queries and nothing else, so that its answer may stand in for another one's.
///
/// False for a document with a mutation or a subscription in it, also where `operationName` chooses another operation; for a
/// request that has members which the specification does not know, since these may name another document; for content that
/// cannot be read, because of a coding, a charset or its size; and where the URL has a parameter that may name a document.
pub fn is_graphql_query(request: &RequestHead, content: &[u8]) -> bool {
    let fields = &request.fields;
    let (_, query) = request.path_and_query.split_once('?').unwrap_or_default();
    if names_a_document(query) || fields.contains("content-encoding") || !is_utf8_if_anything(fields) {
        return false;
    }
    if media_type(fields).as_deref() == Some("application/graphql") {
        return std::str::from_utf8(content).is_ok_and(only_queries);
    }
    is_json(fields) && json_asks_for_queries(content).unwrap_or(false)
}

/// True when a parameter of `query` may name a document. Servers differ in what separates parameters, in whether case counts,
/// in what of a name they drop, and in what they make of brackets behind it.
fn names_a_document(query: &str) -> bool {
    query.split(';').flat_map(form_pairs).any(|(name, _)| {
        let name = name.split('[').find(|text| !text.is_empty()).unwrap_or_default();
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        NAMING_A_DOCUMENT.contains(&&plain[..])
    })
}

/// One operation, or a list of them. `None` where it is not JSON.
fn json_asks_for_queries(content: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(content)?;
    if reader.peek()? != b'[' {
        let only = operation(&mut reader)?;
        return Some(only && reader.at_end());
    }
    reader.take(b'[')?;
    loop {
        let only = operation(&mut reader)?;
        let end = reader.ends(b']')?;
        if !only || end {
            return Some(only && reader.at_end());
        }
    }
}

/// One JSON object: its member `query`, of which there must be exactly one, is the document.
fn operation(reader: &mut Reader<'_>) -> Option<bool> {
    let mut skipped = Vec::new();
    let mut found = None;
    reader.take(b'{')?;
    if reader.take(b'}').is_some() {
        return Some(false);
    }
    loop {
        let (_, name) = reader.name()?;
        // Some readers take no notice of case: `Query` is refused with all else that is unknown.
        if !MEMBERS.contains(&&*name) {
            return None;
        }
        // Of two members, readers take the one or the other.
        if name == "query" {
            let (_, document) = reader.string()?;
            if found.replace(only_queries(&document)).is_some() {
                return None;
            }
        } else {
            skipped.clear();
            reader.value(&mut skipped, 1)?;
        }
        if reader.ends(b'}')? {
            return Some(found.unwrap_or(false));
        }
    }
}

/// Where a document is while it is gone through.
#[derive(Default)]
struct Scan {
    /// Brackets of any kind that are open.
    depth: usize,
    /// Between the keyword of a definition (or the brace of a query without one) and the brace that ends it.
    defining: bool,
    queries: usize,
}

/// True when every operation of `document` is a query and there is one. A document is a list of definitions, each beginning
/// with a keyword or, for a query without a name, with a brace.
fn only_queries(document: &str) -> bool {
    let mut scan = Scan::default();
    let mut rest = document.as_bytes();
    while let Some(&first) = rest.first() {
        let taken = match first {
            b'#' => rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count(),
            b'"' => match string_len(rest) {
                Some(length) => length,
                None => return false,
            },
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = rest.iter().take_while(|b| **b == b'_' || b.is_ascii_alphanumeric()).count();
                if !scan.name(&rest[..length]) {
                    return false;
                }
                length
            }
            other => {
                if !scan.punctuator(other) {
                    return false;
                }
                1
            }
        };
        rest = &rest[taken..];
    }
    scan.depth == 0 && !scan.defining && scan.queries > 0
}

impl Scan {
    /// A name; false where it begins what is no query.
    fn name(&mut self, name: &[u8]) -> bool {
        if self.defining {
            return true;
        }
        self.defining = true;
        self.queries += usize::from(name == b"query");
        matches!(name, b"query" | b"fragment")
    }

    /// False where brackets do not match in number.
    fn punctuator(&mut self, byte: u8) -> bool {
        match byte {
            b'{' | b'(' | b'[' => {
                if !self.defining {
                    self.defining = true;
                    self.queries += 1;
                }
                self.depth += 1;
            }
            b'}' | b')' | b']' => {
                let Some(depth) = self.depth.checked_sub(1) else { return false };
                self.depth = depth;
                // Variables and directives have brackets too, but no braces outside of theirs.
                if depth == 0 && byte == b'}' {
                    self.defining = false;
                }
            }
            _ => {}
        }
        true
    }
}

/// Bytes of the string, or block string, that `text` begins with; `None` where it does not end.
fn string_len(text: &[u8]) -> Option<usize> {
    let block = text.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    loop {
        let rest = text.get(at..)?;
        match rest.first()? {
            b'"' if !block => return Some(at + 1),
            b'"' if rest.starts_with(b"\"\"\"") => return Some(at + 3),
            b'\\' if block => at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 },
            b'\\' => at += 2,
            b'\n' | b'\r' if !block => return None,
            _ => at += 1,
        }
    }
}
