//! An ordered field list (RFC 9110 section 5) that keeps names as they were written, stored in wire form.

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

/// Where a line begins, and how long its name is. It ends where the next one begins.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    name_len: u16,
}

impl Span {
    /// Bytes of a span in the packed form.
    const PACKED: usize = 6;

    fn pack(self) -> impl Iterator<Item = u8> {
        self.start.to_ne_bytes().into_iter().chain(self.name_len.to_ne_bytes())
    }

    fn unpack(bytes: [u8; Self::PACKED]) -> Self {
        let [start @ .., low, high] = bytes;
        Self { start: u32::from_ne_bytes(start), name_len: u16::from_ne_bytes([low, high]) }
    }
}

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
    Packed(Packed),
}

/// A list in the making.
#[derive(Clone, Default)]
struct Open {
    text: Vec<u8>,
    spans: Vec<Span>,
}

/// A list that is kept: one buffer of exactly its size, with the text, behind it the packed spans, and then their number
/// (four bytes). Empty for a list without lines.
#[derive(Clone, Default)]
struct Packed(Box<[u8]>);

impl Packed {
    fn new(open: &Open) -> Self {
        if open.spans.is_empty() {
            return Self::default();
        }
        // Every line takes more than one byte of a text below 4 GiB.
        let count = open.spans.len() as u32;
        let mut bytes =
            Vec::with_capacity(open.text.len() + open.spans.len() * Span::PACKED + size_of::<u32>());
        bytes.extend_from_slice(&open.text);
        open.spans.iter().for_each(|span| bytes.extend(span.pack()));
        bytes.extend_from_slice(&count.to_ne_bytes());
        Self(bytes.into())
    }

    fn open(&self) -> Open {
        let (text, spans) = self.parts();
        Open { text: text.to_vec(), spans: spans.iter().map(|span| Span::unpack(*span)).collect() }
    }

    /// The text and the spans.
    fn parts(&self) -> (&[u8], &[[u8; Span::PACKED]]) {
        let Some((rest, count)) = self.0.split_last_chunk() else { return (&[], &[]) };
        let (text, spans) = rest.split_at(rest.len() - u32::from_ne_bytes(*count) as usize * Span::PACKED);
        (text, spans.as_chunks().0)
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self(Form::Packed(Packed::default()))
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
        let start = u32::try_from(text.len()).map_err(|_| InvalidField::TooLarge)?;
        u32::try_from(text.len() + line).map_err(|_| InvalidField::TooLarge)?;
        if spans.capacity() == 0 {
            spans.reserve(USUAL);
        }
        text.reserve(line);
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
        spans.push(Span { start, name_len });
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
        for (span, line) in old.lines() {
            if keep(field(span, line)) {
                spans.push(Span { start: text.len() as u32, ..span });
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
        self.lines().map(|(span, line)| field(span, line))
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
            Form::Packed(packed) => packed.parts().1.len(),
        }
    }

    /// True when there are no lines.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Open(open) => open.spans.is_empty(),
            Form::Packed(packed) => packed.0.is_empty(),
        }
    }

    /// The list as it goes on the wire: `Name: value\r\n` for each line, without the closing empty line.
    pub fn wire(&self) -> &[u8] {
        match &self.0 {
            Form::Open(open) => &open.text,
            Form::Packed(packed) => packed.parts().0,
        }
    }

    /// Bytes of memory held, for weighing entries.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Form::Open(open) => {
                size_of::<Open>() + open.text.capacity() + open.spans.capacity() * size_of::<Span>()
            }
            Form::Packed(packed) => packed.0.len(),
        }
    }

    /// Removes every line and keeps the memory, for lists that are filled again.
    pub fn clear(&mut self) {
        match &mut self.0 {
            Form::Open(open) => {
                open.text.clear();
                open.spans.clear();
            }
            Form::Packed(packed) => *packed = Packed::default(),
        }
    }

    /// Brings the list into the form that takes the least memory, for lists that are kept. The next change copies it.
    pub fn shrink(&mut self) {
        if let Form::Open(open) = &self.0 {
            self.0 = Form::Packed(Packed::new(open));
        }
    }

    /// The list as one that can be changed.
    fn open(&mut self) -> &mut Open {
        if let Form::Packed(packed) = &self.0 {
            self.0 = Form::Open(Box::new(packed.open()));
        }
        match &mut self.0 {
            Form::Open(open) => open,
            Form::Packed(_) => unreachable!("it was opened"),
        }
    }

    /// The lines with their closing CRLF.
    fn lines(&self) -> impl ExactSizeIterator<Item = (Span, &[u8])> + DoubleEndedIterator + Clone {
        let (text, spans, packed): (&[u8], &[Span], &[_]) = match &self.0 {
            Form::Open(open) => (&open.text, &open.spans, &[]),
            Form::Packed(packed) => {
                let (text, spans) = packed.parts();
                (text, &[], spans)
            }
        };
        // One of the lists is empty.
        let span =
            |at: usize| spans.get(at).copied().or_else(|| packed.get(at).map(|span| Span::unpack(*span)));
        (0..spans.len() + packed.len()).map(move |at| {
            let this = span(at).unwrap_or(Span { start: 0, name_len: 0 });
            let end = span(at + 1).map_or(text.len(), |next| next.start as usize);
            (this, &text[this.start as usize..end])
        })
    }
}

/// The parts of a line.
fn field(span: Span, line: &[u8]) -> Field<'_> {
    let name = usize::from(span.name_len);
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
