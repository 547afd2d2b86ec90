//! Text that others wrote, made fit for a terminal.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;

/// True for what a terminal may act on, and what moves or reorders the text around it: controls (C0, DEL and C1), the
/// separators of lines and paragraphs, and the signs that change the direction of text.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line, with `?` for what a terminal may act on.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if acts(c) { '?' } else { c }).collect())
}

/// `value` as JSON in which all of that is escaped (RFC 8259 section 7): what writes it escapes C0 alone.
pub(super) fn json(value: &Value, pretty: bool) -> String {
    let text = if pretty { format!("{value:#}") } else { value.to_string() };
    // Beyond ASCII, and for DEL, only strings have such characters. All of them have four digits.
    let escaped = |c: char| acts(c) && c > '~';
    if !text.contains(escaped) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escaped(c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        assert_eq!(plain("gr\u{fc}n, a tab"), "gr\u{fc}n, a tab");
        assert_eq!(plain("a\u{1b}[2J\nb\u{9b}2J\u{7f}\u{85}\u{2028}\u{202e}"), "a?[2J?b?2J????");
        let hostile = value!({ "a": "x\u{1b}\n\u{9b}\u{7f}\u{202e}\u{fc}" });
        for pretty in [true, false] {
            let text = json(&hostile, pretty);
            assert!(!text.replace('\n', "").contains(acts), "{text:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
        }
    }
}
