//! An ordered field list (RFC 9110 section 5) that keeps names as they were written, stored in wire form.

use crate::lines::{Kept, Lines, Open, Span};
use std::fmt;
use thiserror::Error;

/// One field line: the name as written and the value without surrounding whitespace.
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// Shows the name only: values may be secrets.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Field").field(&self.name_str()).finish()
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

/// Room for lines made with the first one.
const USUAL: usize = 12;

/// An ordered list of field lines.
///
/// The list is kept as the bytes that go on the wire (`Name: value\r\n` for each line), so that a stored response is
/// sent without serialising it again. Every line in it is valid: that is checked on entry.
#[derive(Clone)]
pub struct Fields(Form);

/// The two forms. Two words, as every stored response has two lists, one of them mostly empty.
#[derive(Clone)]
enum Form {
    Open(Box<Open>),
    Kept(Kept),
}

impl Default for Fields {
    fn default() -> Self {
        Self(Form::Kept(Kept::default()))
    }
}

impl Fields {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list with room for `bytes` of wire form.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Form::Open(Box::new(Open { text: Vec::with_capacity(bytes), spans: Vec::new() })))
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
        let name_len = u16::try_from(name.len()).map_err(|_| InvalidField::TooLarge)?;
        let Open { text, spans } = self.open();
        let line = name.len() + value.len() + 4;
        u32::try_from(text.len() + line).map_err(|_| InvalidField::TooLarge)?;
        if spans.capacity() == 0 {
            spans.reserve(USUAL);
        }
        text.reserve(line);
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
        spans.push(Span { line: line as u32, name: name_len });
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
        let before = self.len();
        self.retain(|field| !field.is(name));
        before != self.len()
    }

    /// Keeps the lines for which `keep` answers true, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        if self.iter().all(&mut keep) {
            return;
        }
        let old = std::mem::take(self);
        let Open { text, spans } = self.open();
        text.reserve(old.wire().len());
        for (line, name) in old.lines() {
            if keep(field(line, name)) {
                spans.push(Span { line: line.len() as u32, name: name as u16 });
                text.extend_from_slice(line);
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
        self.lines().map(|(line, name)| field(line, name))
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
        match &self.0 {
            Form::Open(open) => open.spans.len(),
            Form::Kept(kept) => kept.len(),
        }
    }

    /// True when there are no lines.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Open(open) => open.spans.is_empty(),
            Form::Kept(kept) => kept.len() == 0,
        }
    }

    /// The list as it goes on the wire: `Name: value\r\n` for each line, without the closing empty line.
    pub fn wire(&self) -> &[u8] {
        match &self.0 {
            Form::Open(open) => &open.text,
            Form::Kept(kept) => kept.text(),
        }
    }

    /// Bytes of memory held, for weighing entries.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Form::Open(open) => {
                size_of::<Open>() + open.text.capacity() + open.spans.capacity() * size_of::<Span>()
            }
            Form::Kept(kept) => kept.memory(),
        }
    }

    /// Removes every line and keeps the memory, for lists that are filled again.
    pub fn clear(&mut self) {
        match &mut self.0 {
            Form::Open(open) => {
                open.text.clear();
                open.spans.clear();
            }
            Form::Kept(kept) => *kept = Kept::default(),
        }
    }

    /// Brings the list into the form that takes the least memory, for lists that are kept. The next change copies it.
    pub fn shrink(&mut self) {
        if let Form::Open(open) = &self.0
            && let Some(kept) = Kept::new(open)
        {
            self.0 = Form::Kept(kept);
        }
    }

    /// The list as one that can be changed.
    fn open(&mut self) -> &mut Open {
        if let Form::Kept(kept) = &self.0 {
            self.0 = Form::Open(Box::new(kept.open()));
        }
        match &mut self.0 {
            Form::Open(open) => open,
            Form::Kept(_) => unreachable!("it was opened"),
        }
    }

    /// The lines.
    fn lines(&self) -> Lines<'_> {
        match &self.0 {
            Form::Open(open) => open.lines(),
            Form::Kept(kept) => kept.lines(),
        }
    }
}

/// The parts of a line.
fn field(line: &[u8], name: usize) -> Field<'_> {
    Field { name: &line[..name], value: &line[name + 2..line.len() - 2] }
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
        self.wire() == other.wire()
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
