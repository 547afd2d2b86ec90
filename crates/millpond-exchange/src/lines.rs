//! How a list of field lines is held: in one form while it is made, in a smaller one when it is kept.
//!
//! What must not live here: which lines are valid; that is checked in `fields`, so that here every line has a name without a
//! colon, and a value without a line feed.

use std::slice;

/// How long a line is, its CRLF included, and how long its name is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) name: u16,
}

/// A span in one byte each for the line and its name. Zero, which neither has, stands for more: then the text is looked at.
type Packed = [u8; 2];

impl Span {
    fn pack(self) -> Packed {
        [u8::try_from(self.line).unwrap_or(0), u8::try_from(self.name).unwrap_or(0)]
    }

    fn unpack([line, name]: Packed) -> Self {
        Self { line: u32::from(line), name: u16::from(name) }
    }

    /// The length of the name that `line` begins with.
    #[inline]
    fn name_in(self, line: &[u8]) -> usize {
        if self.name == 0 { name_of(line) } else { usize::from(self.name) }
    }
}

/// A list in the making.
#[derive(Clone, Default)]
pub(crate) struct Open {
    pub(crate) text: Vec<u8>,
    pub(crate) spans: Vec<Span>,
}

impl Open {
    pub(crate) fn lines(&self) -> Lines<'_> {
        Lines { text: &self.text, spans: Spans::Open(self.spans.iter()) }
    }
}

/// A list that is kept: one buffer of exactly its size, with the text, behind it the packed spans, and then their number
/// (two bytes). Empty for a list without lines.
#[derive(Clone, Default)]
pub(crate) struct Kept(Box<[u8]>);

impl Kept {
    /// `None` for more lines than two bytes can count.
    pub(crate) fn new(open: &Open) -> Option<Self> {
        let count = u16::try_from(open.spans.len()).ok()?;
        if count == 0 {
            return Some(Self::default());
        }
        let spans = open.spans.len() * size_of::<Packed>();
        let mut bytes = Vec::with_capacity(open.text.len() + spans + size_of::<u16>());
        bytes.extend_from_slice(&open.text);
        open.spans.iter().for_each(|span| bytes.extend(span.pack()));
        bytes.extend_from_slice(&count.to_ne_bytes());
        Some(Self(bytes.into()))
    }

    pub(crate) fn open(&self) -> Open {
        let span = |(line, name): (&[u8], usize)| Span { line: line.len() as u32, name: name as u16 };
        Open { text: self.text().to_vec(), spans: self.lines().map(span).collect() }
    }

    pub(crate) fn lines(&self) -> Lines<'_> {
        let (text, spans) = self.parts();
        Lines { text, spans: Spans::Packed(spans.iter()) }
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.parts().0
    }

    /// The number of lines.
    pub(crate) fn len(&self) -> usize {
        self.parts().1.len()
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.0.len()
    }

    /// The text and the spans.
    fn parts(&self) -> (&[u8], &[Packed]) {
        let Some((rest, count)) = self.0.split_last_chunk() else { return (&[], &[]) };
        let spans = usize::from(u16::from_ne_bytes(*count)) * size_of::<Packed>();
        let (text, spans) = rest.split_at(rest.len() - spans);
        (text, spans.as_chunks().0)
    }
}

/// Lines with their closing CRLF, and how long their names are.
#[derive(Clone)]
pub(crate) struct Lines<'a> {
    /// Those that are still to come.
    text: &'a [u8],
    spans: Spans<'a>,
}

#[derive(Clone)]
enum Spans<'a> {
    Open(slice::Iter<'a, Span>),
    Packed(slice::Iter<'a, Packed>),
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], usize);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let span = match &mut self.spans {
            Spans::Open(spans) => spans.next().copied(),
            Spans::Packed(spans) => spans.next().copied().map(Span::unpack),
        }?;
        let length = if span.line == 0 { first_line(self.text) } else { span.line as usize };
        let (line, rest) = self.text.split_at(length);
        self.text = rest;
        Some((line, span.name_in(line)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.spans {
            Spans::Open(spans) => spans.len(),
            Spans::Packed(spans) => spans.len(),
        };
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Lines<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let span = match &mut self.spans {
            Spans::Open(spans) => spans.next_back().copied(),
            Spans::Packed(spans) => spans.next_back().copied().map(Span::unpack),
        }?;
        let length = if span.line == 0 { last_line(self.text) } else { span.line as usize };
        let (rest, line) = self.text.split_at(self.text.len() - length);
        self.text = rest;
        Some((line, span.name_in(line)))
    }
}

impl ExactSizeIterator for Lines<'_> {}

/// The length of the first line of `text`. No value holds a line feed.
#[cold]
fn first_line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// The length of the last line of `text`.
#[cold]
fn last_line(text: &[u8]) -> usize {
    let before = text.split_last().map_or(text, |(_, before)| before);
    text.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// The length of the name that `line` begins with. No name holds a colon.
#[cold]
fn name_of(line: &[u8]) -> usize {
    line.iter().position(|byte| *byte == b':').unwrap_or(0)
}
