//! JSON on lines: one text a line (NDJSON), or in the `data` fields of server-sent events.

use super::json::Json;
use super::{Rewrite, Unredactable};

/// One JSON text on each line: what one line leaves open is not open on the next.
pub(super) struct Lines(pub(super) Json);

impl Rewrite for Lines {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable> {
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            let (text, end) = line.split_at(line.len() - usize::from(line.ends_with(b"\n")));
            self.0.feed(text, out)?;
            if !end.is_empty() {
                self.0.line_ends(out);
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        self.0.end(out)
    }
}

/// Server-sent events (HTML, section 9.2.5): the values of `data` fields, which together make one text.
pub(super) struct Events {
    json: Json,
    /// The name of the field, until it is complete.
    name: Vec<u8>,
    place: Place,
    /// The byte before was a carriage return.
    after_return: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Data,
    Other,
}

impl Events {
    pub(super) fn new(json: Json) -> Self {
        Self { json, name: Vec::new(), place: Place::Name, after_return: false }
    }

    fn line_ends(&mut self, byte: u8, out: &mut Vec<u8>) {
        let empty = self.place == Place::Name && self.name.is_empty();
        out.append(&mut self.name);
        // An empty line ends the event; the second half of CRLF is none.
        if empty && !(byte == b'\n' && self.after_return) {
            self.json.flush(out);
        } else {
            self.json.line_ends(out);
        }
        out.push(byte);
        self.place = Place::Name;
    }

    fn name(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.name.push(byte);
        let known = b"data:".starts_with(self.name.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.name));
        let begins = "\u{feff}".as_bytes().starts_with(&self.name);
        if byte == b':' || !(known || begins) {
            self.place = if known { Place::Data } else { Place::Other };
            out.append(&mut self.name);
        }
    }
}

impl Rewrite for Events {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable> {
        for byte in input {
            match (byte, self.place) {
                (b'\r' | b'\n', _) => self.line_ends(*byte, out),
                (_, Place::Name) => self.name(*byte, out),
                (_, Place::Data) => self.json.feed(&[*byte], out)?,
                (_, Place::Other) => out.push(*byte),
            }
            self.after_return = *byte == b'\r';
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        out.append(&mut self.name);
        self.json.end(out)
    }
}
