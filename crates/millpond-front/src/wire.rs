//! A response head in the form it is sent, so that a stored one is copied, not serialised.

use crate::workspace;
use http::StatusCode;
use millpond_exchange::{Field, Fields, InvalidField, ResponseHead, is_token_byte, is_value_byte};
use std::fmt;

/// A status line and field lines as they go on the wire. The front adds the framing fields and the empty line.
///
/// Fields the front alone writes (Content-Length, Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection) are
/// left out on the way in. The buffer comes from a pool of the thread and returns to it.
pub struct WireHead {
    status: StatusCode,
    text: Vec<u8>,
    pub(crate) has: Present,
}

/// Which of the fields that bear on framing are in the text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present {
    pub(crate) date: bool,
    pub(crate) trailer: bool,
    pub(crate) upgrade: bool,
}

impl WireHead {
    /// A head with `status`, its standard reason phrase and no fields.
    pub fn new(status: StatusCode) -> Self {
        Self::with_reason(status, status.canonical_reason().unwrap_or(""))
    }

    /// A head with `status` and `reason`; control bytes in the phrase become spaces.
    pub fn with_reason(status: StatusCode, reason: &str) -> Self {
        let mut text = workspace::take_vec();
        text.extend_from_slice(b"HTTP/1.1 ");
        text.extend_from_slice(status.as_str().as_bytes());
        text.push(b' ');
        if reason.bytes().any(|b| b.is_ascii_control()) {
            text.extend(reason.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
        } else {
            text.extend_from_slice(reason.as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        Self { status, text, has: Present::default() }
    }

    /// `head` without its framing fields.
    pub fn of(head: &ResponseHead) -> Self {
        let mut wire = Self::with_reason(head.status, head.reason_phrase());
        wire.copy(&head.fields);
        wire
    }

    /// Appends all of `fields` but the framing fields. A plain copy of bytes when there are none.
    pub fn copy(&mut self, fields: &Fields) {
        let mut framing = false;
        for field in fields.iter() {
            framing |= self.notice(field.name);
        }
        if framing {
            fields.iter().filter(|field| !is_framing(field.name)).for_each(|field| self.line(field));
        } else {
            self.text.extend_from_slice(fields.wire());
        }
    }

    /// Appends those of `fields` that `keep` answers true for.
    pub fn copy_where(&mut self, fields: &Fields, mut keep: impl FnMut(Field<'_>) -> bool) {
        for field in fields.iter() {
            if keep(field) && !self.notice(field.name) {
                self.line(field);
            }
        }
    }

    /// Appends a line. A framing field is dropped silently: it is not the caller's to say.
    ///
    /// # Errors
    /// [`InvalidField`] when `name` is not a token or `value` holds a control byte (RFC 9110 section 5).
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        let value = value.as_ref();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(InvalidField::Name);
        }
        if !value.iter().all(|b| is_value_byte(*b)) {
            return Err(InvalidField::Value);
        }
        if !self.notice(name.as_bytes()) {
            self.line(Field { name: name.as_bytes(), value });
        }
        Ok(())
    }

    /// Appends a line whose value is a number.
    ///
    /// # Errors
    /// As [`WireHead::push`].
    pub fn push_number(&mut self, name: &str, value: u64) -> Result<(), InvalidField> {
        self.push(name, itoa::Buffer::new().format(value))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text so far: status line and field lines, without the closing empty line.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Removes every line named `name`.
    pub(crate) fn remove(&mut self, name: &str) {
        let old = std::mem::take(&mut self.text);
        for line in old.split_inclusive(|b| *b == b'\n') {
            let named = line.get(name.len()) == Some(&b':')
                && line[..name.len()].eq_ignore_ascii_case(name.as_bytes());
            if !named {
                self.text.extend_from_slice(line);
            }
        }
        workspace::give_vec(old);
    }

    /// The buffer, to be completed and sent.
    pub(crate) fn into_text(mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    fn line(&mut self, field: Field<'_>) {
        self.text.extend_from_slice(field.name);
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(field.value);
        self.text.extend_from_slice(b"\r\n");
    }

    /// Takes note of fields the front must know about; true for those it writes itself.
    fn notice(&mut self, name: &[u8]) -> bool {
        match name.len() {
            4 => self.has.date |= name.eq_ignore_ascii_case(b"date"),
            7 => {
                self.has.trailer |= name.eq_ignore_ascii_case(b"trailer");
                self.has.upgrade |= name.eq_ignore_ascii_case(b"upgrade");
            }
            10 | 14 | 16 | 17 => return is_framing(name),
            _ => {}
        }
        false
    }
}

impl From<&ResponseHead> for WireHead {
    fn from(head: &ResponseHead) -> Self {
        Self::of(head)
    }
}

impl From<ResponseHead> for WireHead {
    fn from(head: ResponseHead) -> Self {
        Self::of(&head)
    }
}

impl Drop for WireHead {
    fn drop(&mut self) {
        workspace::give_vec(std::mem::take(&mut self.text));
    }
}

impl fmt::Debug for WireHead {
    /// The status only: field values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireHead({}, {} bytes)", self.status, self.text.len())
    }
}

/// The fields the front alone writes.
pub(crate) fn is_framing(name: &[u8]) -> bool {
    let all: &[&[u8]] =
        &[b"connection", b"keep-alive", b"content-length", b"transfer-encoding", b"proxy-connection"];
    all.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}
