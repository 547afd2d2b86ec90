//! Numbers and byte strings, as they are written.

use super::CodecError;

/// LEB128: seven bits a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Zigzag, so that small negative numbers are short as well.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// The length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is still to be read.
#[derive(Clone)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number in its shortest form.
    fn leb128(&mut self) -> Result<u64, CodecError> {
        let mut number = 0u64;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            let low = u64::from(byte & 0x7f);
            number |= low << (7 * at);
            if byte & 0x80 == 0 {
                let shortest = at == 0 || *byte != 0;
                let fits = at < 9 || *byte <= 1;
                self.0 = &self.0[at + 1..];
                return if shortest && fits { Ok(number) } else { Err(CodecError::Invalid("a number")) };
            }
        }
        Err(if self.0.len() < 10 { CodecError::Truncated } else { CodecError::Invalid("a number") })
    }

    /// A number that fits into `T`.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, CodecError> {
        T::try_from(self.leb128()?).map_err(|_| CodecError::Invalid(what))
    }

    pub(super) fn signed(&mut self) -> Result<i64, CodecError> {
        let number = self.leb128()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(length).map_err(|_| CodecError::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length and that many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.leb128()?;
        self.take(length)
    }

    /// A length and that many bytes of UTF-8.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Invalid(what))
    }

    /// How many items follow, each of which takes `least` bytes or more: a count that cannot be true reserves nothing.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, CodecError> {
        let count: usize = self.number("a count")?;
        if count > self.0.len() / least { Err(CodecError::Truncated) } else { Ok(count) }
    }

    /// A count and that many items, each of which takes `least` bytes or more.
    pub(super) fn list<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Box<[T]>, CodecError> {
        let count = self.count(least)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edges_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            let mut input = Input::new(&out);
            assert_eq!(input.leb128(), Ok(number));
            assert!(input.is_empty());
        }
        for number in [0, -1, 1, -64, 64, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_signed(&mut out, number);
            assert_eq!(Input::new(&out).signed(), Ok(number));
        }
    }

    #[test]
    fn longer_forms_than_needed_are_refused() {
        let refused = Err(CodecError::Invalid("a number"));
        assert_eq!(Input::new(&[0x80, 0]).leb128(), refused);
        assert_eq!(Input::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).leb128(), refused);
        assert_eq!(Input::new(&[0xff; 11]).leb128(), refused);
        assert_eq!(Input::new(&[0xff; 9]).leb128(), Err(CodecError::Truncated));
        assert_eq!(Input::new(&[]).leb128(), Err(CodecError::Truncated));
    }
}
