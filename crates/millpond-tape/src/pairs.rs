//! Field lines as a tape has them.

use std::fmt;

/// Names and values in order, as recorded. Unlike `Fields` of `millpond-exchange` they need not be valid: a tape may
/// hold what no server would send.
#[derive(Clone, Default)]
pub struct Pairs {
    /// The lines one behind the other, each its name and then its value.
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// Where a line lies: its name begins where the line before it ends.
#[derive(Clone, Copy)]
struct Line {
    name_end: usize,
    end: usize,
}

/// Shows names only: values may be secrets.
impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Pairs {}

impl Pairs {
    /// No lines.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), lines: Vec::new() }
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.push_name(name.as_ref());
        self.push_value(value.as_ref());
    }

    /// Makes room for lines of `bytes` in all.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Begins a line; its value is pushed next.
    pub(crate) fn push_name(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.lines.push(Line { name_end: self.bytes.len(), end: self.bytes.len() });
    }

    /// Ends the line begun.
    pub(crate) fn push_value(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        if let Some(line) = self.lines.last_mut() {
            line.end = self.bytes.len();
        }
    }

    /// The lines in order: name and value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + DoubleEndedIterator + Clone {
        (0..self.lines.len()).map(|at| {
            let begin = at.checked_sub(1).map_or(0, |before| self.lines[before].end);
            let Line { name_end, end } = self.lines[at];
            (&self.bytes[begin..name_end], &self.bytes[name_end..end])
        })
    }

    /// The value of the first line called `name`, whatever its case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of the first line called `name` as text, where it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Takes away every line called `name`; true when there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let is = |known: &[u8]| known.eq_ignore_ascii_case(name.as_bytes());
        if !self.iter().any(|(known, _)| is(known)) {
            return false;
        }
        *self = self.iter().filter(|(known, _)| !is(known)).collect();
        true
    }

    /// Sets the line called `name`: the first one gets `value`, further ones go, and where there is none it is appended.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let (mut new, mut done) = (Self::new(), false);
        for (known, old) in self.iter() {
            if !known.eq_ignore_ascii_case(name.as_bytes()) {
                new.push(known, old);
            } else if !std::mem::replace(&mut done, true) {
                new.push(known, value.as_ref());
            }
        }
        if !done {
            new.push(name, value);
        }
        *self = new;
    }

    /// Every value, to be changed in place: `change` answers the new value where there is one.
    pub fn change(&mut self, mut change: impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>) {
        let changes: Vec<_> = self.iter().map(|(name, value)| change(name, value)).collect();
        if changes.iter().any(Option::is_some) {
            let lines = self.iter().zip(&changes);
            *self = lines.map(|((name, old), new)| (name, new.as_deref().unwrap_or(old))).collect();
        }
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True when there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Pairs {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(lines: T) -> Self {
        let mut pairs = Self::new();
        lines.into_iter().for_each(|(name, value)| pairs.push(name, value));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Pairs {
        [("Host", "a"), ("X-Y", ""), ("", "nameless"), ("x-y", "2"), ("Z", "z")].into_iter().collect()
    }

    fn shown(pairs: &Pairs) -> String {
        let line =
            |(name, value)| format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        pairs.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_are_found_set_changed_and_taken_away() {
        let mut pairs = lines();
        assert_eq!(shown(&pairs), "Host=a X-Y= =nameless x-y=2 Z=z");
        assert_eq!(
            (pairs.len(), pairs.get("x-Y"), pairs.get_str("z"), pairs.get("q")),
            (5, Some(&b""[..]), Some("z"), None)
        );
        pairs.set("X-Y", "new");
        pairs.set("q", "r");
        assert_eq!(shown(&pairs), "Host=a X-Y=new =nameless Z=z q=r");
        pairs.change(|name, value| (name == b"Z").then(|| [value, b"zz"].concat()));
        assert!(pairs.remove("x-y") && !pairs.remove("x-y"));
        assert_eq!(shown(&pairs), "Host=a =nameless Z=zzz q=r");
        assert_eq!(pairs.iter().next_back(), Some((&b"q"[..], &b"r"[..])));
        assert_ne!(pairs, lines());
        assert_eq!(lines(), lines());
    }
}
