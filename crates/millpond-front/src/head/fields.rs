//! The field section of a request: every line kept, those that bear on framing and persistence understood.

use super::{Facts, host, is_http10};
use crate::{FrontLimits, Refusal, Request, TargetForm};
use http::Method;
use httparse::Header;
use millpond_exchange::Fields;

/// Field lines that are parsed without an allocation.
const FEW: usize = 32;
/// Larger lengths are refused, so that sums cannot overflow.
const LARGEST_LENGTH: u64 = 1 << 62;

/// How the end of a request body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl Framing {
    /// Bytes of body announced; `None` when only its end tells.
    pub(super) fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked => None,
        }
    }
}

/// What is gathered while walking over the lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    hosts: u32,
    length: Option<u64>,
    codings: Option<bool>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    te_trailers: bool,
}

/// Reads `section`, the field lines with the closing empty line, into `request`.
pub(crate) fn fill_fields(
    section: &[u8],
    limits: &FrontLimits,
    request: &mut Request,
) -> Result<Facts, Refusal> {
    let mut few = [httparse::EMPTY_HEADER; FEW];
    match httparse::parse_headers(section, &mut few[..FEW.min(limits.fields)]) {
        Err(httparse::Error::TooManyHeaders) if limits.fields > FEW => {
            let mut many = vec![httparse::EMPTY_HEADER; limits.fields];
            let parsed = httparse::parse_headers(section, &mut many);
            take(parsed, section.len(), request)
        }
        parsed => take(parsed, section.len(), request),
    }
}

fn take(
    parsed: httparse::Result<(usize, &[Header<'_>])>,
    length: usize,
    request: &mut Request,
) -> Result<Facts, Refusal> {
    let lines = match parsed {
        Ok(httparse::Status::Complete((used, lines))) if used == length => lines,
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        _ => return Err(Refusal::FieldLine),
    };
    request.head.fields = reuse(std::mem::take(&mut request.head.fields), length);
    let mut seen = Seen::default();
    for line in lines {
        seen.line(line, request)?;
    }
    seen.conclude(request)
}

/// The field list to fill.
pub(super) fn reuse(mut fields: Fields, bytes: usize) -> Fields {
    fields.clear();
    if fields.memory() == 0 { Fields::with_capacity(bytes) } else { fields }
}

impl Seen {
    pub(super) fn line(&mut self, line: &Header<'_>, request: &mut Request) -> Result<(), Refusal> {
        let (name, value) = (line.name.as_bytes(), line.value);
        match name.len() {
            2 if name.eq_ignore_ascii_case(b"te") => self.te_trailers |= has_token(value, b"trailers"),
            4 if name.eq_ignore_ascii_case(b"host") => return self.host(line, request),
            6 if name.eq_ignore_ascii_case(b"expect") => self.expect(value, request)?,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.close |= has_token(value, b"close");
                self.keep_alive |= has_token(value, b"keep-alive");
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.codings(value)?,
            _ => {}
        }
        request.head.fields.append(name, value).map_err(|_| Refusal::FieldLine)
    }

    fn host(&mut self, line: &Header<'_>, request: &mut Request) -> Result<(), Refusal> {
        self.hosts += 1;
        if self.hosts > 1 || !host::is_valid(line.value) {
            return Err(Refusal::Host);
        }
        let head = &mut request.head;
        if matches!(request.form, TargetForm::Origin | TargetForm::Asterisk) {
            head.authority.push_str(std::str::from_utf8(line.value).map_err(|_| Refusal::Host)?);
        }
        head.fields.append(line.name, &head.authority).map_err(|_| Refusal::Host)
    }

    /// RFC 9110 section 10.1.1: an HTTP/1.0 client's expectation is ignored.
    fn expect(&mut self, value: &[u8], request: &Request) -> Result<(), Refusal> {
        if is_http10(request.head.version) {
            return Ok(());
        }
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }

    /// One line of digits. RFC 9112 section 6.3 lets identical repetitions pass; no sound client sends them.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        if !digits || self.length.is_some() {
            return Err(Refusal::ContentLength);
        }
        // Nineteen digits fit into 64 bits.
        let length = value.iter().fold(0u64, |sum, d| sum * 10 + u64::from(d - b'0'));
        if length > LARGEST_LENGTH {
            return Err(Refusal::ContentLength);
        }
        self.length = Some(length);
        Ok(())
    }

    /// `chunked`, once and last. Others before it are codings we do not speak; anything else leaves the end of the
    /// body in doubt (RFC 9112 section 6.3 rule 4).
    fn codings(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.codings.is_some() {
            return Err(Refusal::TransferEncoding);
        }
        let mut chunked =
            value.split(|b| *b == b',').map(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        let (last, before) = (chunked.next_back() == Some(true), chunked.collect::<Vec<_>>());
        if !last || before.contains(&true) {
            return Err(Refusal::TransferEncoding);
        }
        self.codings = Some(before.is_empty());
        Ok(())
    }

    pub(super) fn expects_continue(self) -> bool {
        self.expects_continue
    }

    pub(super) fn conclude(self, request: &mut Request) -> Result<Facts, Refusal> {
        let http10 = is_http10(request.head.version);
        if self.hosts == 0 {
            if !http10 {
                return Err(Refusal::Host);
            }
            if request.form == TargetForm::Absolute {
                let head = &mut request.head;
                head.fields.append("Host", &head.authority).map_err(|_| Refusal::Host)?;
            }
        }
        let framing = self.framing(http10)?;
        let is_connect = request.head.method == Method::CONNECT;
        if is_connect && framing != Framing::None {
            return Err(Refusal::ConnectBody);
        }
        Ok(Facts {
            framing,
            persistent: !self.close && (!http10 || self.keep_alive),
            http10,
            is_head: request.head.method == Method::HEAD,
            is_connect,
            expects_continue: self.expects_continue && !matches!(framing, Framing::None | Framing::Length(0)),
            accepts_trailers: self.te_trailers && !http10,
        })
    }

    fn framing(&self, http10: bool) -> Result<Framing, Refusal> {
        match (self.codings, self.length) {
            (Some(_), Some(_)) => Err(Refusal::TwoFramings),
            (Some(_), None) if http10 => Err(Refusal::TransferEncoding),
            (Some(false), None) => Err(Refusal::Coding),
            (Some(true), None) => Ok(Framing::Chunked),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::None),
        }
    }
}

/// True when the comma-separated list `value` has `token`, ignoring case and parameters.
fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|b| *b == b',').any(|item| {
        item.split(|b| *b == b';').next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(token))
    })
}
