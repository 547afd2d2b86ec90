//! The head and the trailers.

use super::wire::{Input, put_bytes, put_number};
use super::{CodecError, bit, names};
use millpond_exchange::{Fields, ResponseHead, StatusCode, Version, is_value_byte};

/// The fewest bytes a field line takes: its name's number and its value's length.
const LEAST_LINE: usize = 2;

/// What is present of `head` and `trailers`.
pub(super) fn bits(head: &ResponseHead, trailers: &Fields) -> u32 {
    let mut bits = http_number(head.version) << bit::HTTP_AT;
    if head.reason.is_some() {
        bits |= bit::REASON;
    }
    if !trailers.is_empty() {
        bits |= bit::TRAILERS;
    }
    bits
}

pub(super) fn put(out: &mut Vec<u8>, head: &ResponseHead, trailers: &Fields) {
    put_number(out, u64::from(head.status.as_u16()));
    if let Some(reason) = &head.reason {
        put_bytes(out, reason.as_bytes());
    }
    put_fields(out, &head.fields);
    if !trailers.is_empty() {
        put_fields(out, trailers);
    }
}

pub(super) fn take(input: &mut Input<'_>, bits: u32) -> Result<(ResponseHead, Fields), CodecError> {
    let status = input.number("the status")?;
    let status = StatusCode::from_u16(status).map_err(|_| CodecError::Invalid("the status"))?;
    let reason = if bits & bit::REASON == 0 { None } else { Some(take_reason(input)?) };
    let version = http_version(bits >> bit::HTTP_AT & 7)?;
    let fields = take_fields(input)?;
    let trailers = if bits & bit::TRAILERS == 0 { Fields::new() } else { take_fields(input)? };
    Ok((ResponseHead { status, reason, version, fields }, trailers))
}

/// A reason phrase goes onto the wire as it is, so that one with a line break would be a field of somebody's making.
fn take_reason(input: &mut Input<'_>) -> Result<Box<str>, CodecError> {
    let reason = input.text("the reason phrase")?;
    if reason.bytes().all(is_value_byte) {
        Ok(reason.into())
    } else {
        Err(CodecError::Invalid("the reason phrase"))
    }
}

fn http_number(version: Version) -> u32 {
    match version {
        Version::HTTP_10 => 1,
        Version::HTTP_2 => 2,
        Version::HTTP_3 => 3,
        Version::HTTP_09 => 4,
        _ => 0,
    }
}

fn http_version(number: u32) -> Result<Version, CodecError> {
    Ok(match number {
        0 => Version::HTTP_11,
        1 => Version::HTTP_10,
        2 => Version::HTTP_2,
        3 => Version::HTTP_3,
        4 => Version::HTTP_09,
        _ => return Err(CodecError::Invalid("the HTTP version")),
    })
}

fn put_fields(out: &mut Vec<u8>, fields: &Fields) {
    put_number(out, fields.len() as u64);
    for field in fields.iter() {
        names::put(out, names::RESPONSE, field.name);
        put_bytes(out, field.value);
    }
}

fn take_fields(input: &mut Input<'_>) -> Result<Fields, CodecError> {
    let count = input.count(LEAST_LINE)?;
    if count == 0 {
        return Ok(Fields::new());
    }
    // Measured first: the list is kept in memory, with no room to spare.
    let mut ahead = input.clone();
    let mut length = 0;
    for _ in 0..count {
        let (name, value) = take_line(&mut ahead)?;
        length += name.len() + value.len() + ": \r\n".len();
    }
    let mut fields = Fields::with_capacity(length);
    for _ in 0..count {
        let (name, value) = take_line(input)?;
        if value.trim_ascii().len() != value.len() {
            return Err(CodecError::Invalid("a field value"));
        }
        fields.append(name, value).map_err(|_| CodecError::Invalid("a field"))?;
    }
    fields.shrink();
    Ok(fields)
}

fn take_line<'a>(input: &mut Input<'a>) -> Result<(&'a [u8], &'a [u8]), CodecError> {
    Ok((names::take(input, names::RESPONSE)?, input.bytes()?))
}
