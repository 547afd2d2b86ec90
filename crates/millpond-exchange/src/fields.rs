//! An ordered field list (RFC 9110 section 5) that keeps names as they were written, stored in wire form.

use smallvec::SmallVec;
use std::fmt;
use thiserror::Error;

/// One field line: the name as written and the value without surrounding whitespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field name, a token, in the case it arrived in.
    pub name: &'a [u8],
    /// The field value; bytes, since RFC 9110 section 5.5 allows obs-text.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// True when the name equals `name`, ignoring case (RFC 9110 section 5.1).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The name as text; names are ASCII tokens by construction.
    pub fn name_str(&self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The value as text, if it is UTF-8.
    pub fn value_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok()
    }
}

/// A field that cannot be sent: its name is not a token, or its value holds a control byte.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidField {
    /// The name is empty or has a byte outside the token set of RFC 9110 section 5.6.2.
    #[error("field name is not a token")]
    Name,
    /// The value has a control byte other than tab (RFC 9110 section 5.5).
    #[error("field value holds a control byte")]
    Value,
    /// The list would exceed 4 GiB, or one name 64 KiB.
    #[error("field list is too large")]
    TooLarge,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    name_len: u16,
    value_len: u32,
}

impl Span {
    fn name(self, text: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &text[start..start + usize::from(self.name_len)]
    }

    fn value(self, text: &[u8]) -> &[u8] {
        let start = self.start as usize + usize::from(self.name_len) + 2;
        &text[start..start + self.value_len as usize]
    }

    fn end(self) -> usize {
        self.start as usize + usize::from(self.name_len) + 2 + self.value_len as usize + 2
    }
}

/// An ordered list of field lines.
///
/// The list is kept as the bytes that go on the wire (`Name: value\r\n` for each line), so that a stored response is
/// sent without serialising it again. Every line in it is valid: that is checked on entry.
#[derive(Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    spans: SmallVec<[Span; 12]>,
}

impl Fields {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list with room for `bytes` of wire form.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), spans: SmallVec::new() }
    }

    /// Appends a line. Whitespace around the value is dropped.
    ///
    /// # Errors
    /// [`InvalidField`] when the line could not be sent as one HTTP/1.1 field line.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        let (name, value) = (name.as_ref(), value.as_ref().trim_ascii());
        if name.is_empty() || !name.iter().all(|b| is_token_byte(*b)) {
            return Err(InvalidField::Name);
        }
        if !value.iter().all(|b| is_value_byte(*b)) {
            return Err(InvalidField::Value);
        }
        let start = u32::try_from(self.text.len()).map_err(|_| InvalidField::TooLarge)?;
        let name_len = u16::try_from(name.len()).map_err(|_| InvalidField::TooLarge)?;
        let value_len = u32::try_from(value.len()).map_err(|_| InvalidField::TooLarge)?;
        self.text.reserve(name.len() + value.len() + 4);
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(value);
        self.text.extend_from_slice(b"\r\n");
        self.spans.push(Span { start, name_len, value_len });
        Ok(())
    }

    /// Removes every line named `name`, then appends one with `value`.
    ///
    /// # Errors
    /// As [`Fields::append`]; on an error the list is unchanged but for the removal.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        let name = name.as_ref();
        self.retain(|field| !field.name.eq_ignore_ascii_case(name));
        self.append(name, value)
    }

    /// Removes every line named `name`; true when there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.spans.len();
        self.retain(|field| !field.is(name));
        before != self.spans.len()
    }

    /// Keeps the lines for which `keep` answers true, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        if self.iter().all(&mut keep) {
            return;
        }
        let old = std::mem::take(self);
        self.text.reserve(old.text.len());
        for span in &old.spans {
            let field = Field { name: span.name(&old.text), value: span.value(&old.text) };
            if keep(field) {
                let start = self.text.len() as u32;
                self.text.extend_from_slice(&old.text[span.start as usize..span.end()]);
                self.spans.push(Span { start, ..*span });
            }
        }
    }

    /// Appends every line of `other`.
    pub fn extend_from(&mut self, other: &Self) {
        for field in other {
            // Valid by construction; only the 4 GiB bound could refuse, and both lists lie far below it.
            let _ = self.append(field.name, field.value);
        }
    }

    /// The lines in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'_>> + DoubleEndedIterator + Clone {
        self.spans.iter().map(|span| Field { name: span.name(&self.text), value: span.value(&self.text) })
    }

    /// The value of the first line named `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.is(name)).map(|field| field.value)
    }

    /// The value of the first line named `name`, if it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all lines named `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone + 'a {
        self.iter().filter(move |field| field.is(name)).map(|field| field.value)
    }

    /// True when a line named `name` is present.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True when there are no lines.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The list as it goes on the wire: `Name: value\r\n` for each line, without the closing empty line.
    pub fn wire(&self) -> &[u8] {
        &self.text
    }

    /// Bytes of memory held, for weighing entries.
    pub fn memory(&self) -> usize {
        self.text.capacity()
            + if self.spans.spilled() { self.spans.capacity() * size_of::<Span>() } else { 0 }
    }

    /// Removes every line and keeps the memory, for lists that are filled again.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Gives back spare capacity, for lists that are kept.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.spans.shrink_to_fit();
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = Field<'a>;
    type IntoIter = Box<dyn Iterator<Item = Field<'a>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    /// Collects pairs; those that are not valid fields are left out.
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut fields = Self::new();
        for (name, value) in pairs {
            let _ = fields.append(name, value);
        }
        fields
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|field| field.name_str().to_owned())).finish()
    }
}

/// True for the bytes a token is made of (RFC 9110 section 5.6.2, `tchar`).
pub const fn is_token_byte(b: u8) -> bool {
    matches!(
        b,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || b.is_ascii_alphanumeric()
}

/// True for the bytes a field value may have (RFC 9110 section 5.5): visible ones, space, tab and obs-text.
pub const fn is_value_byte(b: u8) -> bool {
    b == b'\t' || (b >= 0x20 && b != 0x7f)
}
