//! Lists in field values (RFC 9110 section 5.6.1): splitting at commas, or at the semicolons of parameters, outside
//! quoted strings. No meaning of any field lives here.

use millpond_exchange::is_token_byte;

/// Iterates over the members of one comma-separated field value, each without surrounding whitespace. Commas
/// within quoted strings do not separate. Empty members are yielded too.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
    /// Set when a quoted string is not closed before the end of the value.
    pub(crate) unterminated: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Self { rest: Some(value), separator: b',', unterminated: false }
    }

    /// A member's name and its parameters (RFC 9110 section 5.6.6), which semicolons separate.
    pub(crate) fn of_member(member: &'a [u8]) -> Self {
        Self { separator: b';', ..Self::new(member) }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let quoted_end = if self.unterminated { None } else { member_end(rest, self.separator) };
        let end = quoted_end.unwrap_or_else(|| {
            // The quote never closes. To read on as if it did would let one stray quote hide every directive
            // behind it, so quotes count as ordinary bytes from here on, and the caller is told.
            self.unterminated = true;
            rest.iter().position(|b| *b == self.separator).unwrap_or(rest.len())
        });
        if end < rest.len() {
            self.rest = Some(&rest[end + 1..]);
        }
        Some(rest[..end].trim_ascii())
    }
}

/// The offset of the separator that ends the first member, or the length; `None` when a quoted string is not
/// closed.
fn member_end(value: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    let mut bytes = value.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                bytes.next();
            }
            byte if *byte == separator && !quoted => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(value.len())
}

/// RFC 9110 section 5.6.2: one or more `tchar`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| is_token_byte(*b))
}
