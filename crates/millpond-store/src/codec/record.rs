//! The record.

use super::wire::{Input, put_bytes, put_number, put_signed};
use super::{CodecError, bit, names};
use millpond_exchange::{
    Admission, Audience, Part, Rare, RareFacts, Record, RecordFlags, ResponseHead, Timestamp, VarySelector,
};

const ETAG: &str = "etag";
const LAST_MODIFIED: &str = "last-modified";

/// What is present of `record`, and what of it stands in `head` already.
pub(super) fn bits(record: &Record, head: &ResponseHead) -> u32 {
    let present = [
        (bit::MAX_AGE, record.max_age.is_some()),
        (bit::LAST_MODIFIED, record.last_modified.is_some()),
        (bit::VARY, !record.vary.is_empty()),
        (bit::S_MAXAGE, record.s_maxage.is_some()),
        (bit::EXPIRES, record.expires.is_some()),
        (bit::STALE_WHILE_REVALIDATE, record.stale_while_revalidate.is_some()),
        (bit::STALE_IF_ERROR, record.stale_if_error.is_some()),
        (bit::TAGS, !record.tags.is_empty()),
        (bit::INITIAL_AGE, record.initial_age != 0),
        (bit::PRIVATE, record.audience != Audience::Shared),
        (bit::STALE_FROM, record.stale_from.is_some()),
        (bit::PART, record.part.is_some()),
        (bit::COMPLETE_LEN, record.part.is_some_and(|part| part.complete_len.is_some())),
        (bit::GROUPS, !record.groups.is_empty()),
        (bit::STATUS, record.status != head.status.as_u16()),
    ];
    let bits = present.iter().filter(|(_, is)| *is).fold(0, |bits, (bit, _)| bits | bit);
    bits | text_bits(record.etag.as_deref(), head.fields.get(ETAG), bit::ETAG_OF_HEAD, bit::ETAG)
        | text_bits(
            record.last_modified_text().as_deref(),
            head.fields.get(LAST_MODIFIED),
            bit::MODIFIED_OF_HEAD,
            bit::MODIFIED,
        )
        | admission_number(record.admission) << bit::ADMISSION_AT
}

fn text_bits(own: Option<&[u8]>, of_head: Option<&[u8]>, same: u32, written: u32) -> u32 {
    match own {
        None => 0,
        Some(_) if own == of_head => same,
        Some(_) => written,
    }
}

/// Writes what [`take`] reads, in the same order.
pub(super) fn put(out: &mut Vec<u8>, bits: u32, record: &Record) {
    if bits & bit::STATUS != 0 {
        put_number(out, u64::from(record.status));
    }
    put_number(out, u64::from(record.flags.bits()));
    put_signed(out, record.response_time.as_millis());
    put_time(out, record.request_time, record.response_time);
    put_time(out, record.date, record.response_time);
    if let Some(time) = record.last_modified {
        put_time(out, time, record.response_time);
    }
    if let Some(time) = record.stale_from {
        put_time(out, time, record.response_time);
    }
    let initial_age = (record.initial_age != 0).then_some(record.initial_age);
    let [swr, sie] = [record.stale_while_revalidate, record.stale_if_error];
    for seconds in [initial_age, record.s_maxage, record.max_age, record.expires, swr, sie].iter().flatten() {
        put_number(out, u64::from(*seconds));
    }
    if let Audience::Private(partition) = &record.audience {
        put_bytes(out, partition.as_bytes());
    }
    if let Some(etag) = record.etag.as_ref().filter(|_| bits & bit::ETAG != 0) {
        put_bytes(out, etag);
    }
    if let Some(text) = record.last_modified_text().filter(|_| bits & bit::MODIFIED != 0) {
        put_bytes(out, &text);
    }
    if !record.vary.is_empty() {
        put_vary(out, &record.vary);
    }
    for labels in [&record.tags, &record.groups].into_iter().filter(|labels| !labels.is_empty()) {
        put_number(out, labels.len() as u64);
        for label in labels {
            put_bytes(out, label.as_bytes());
        }
    }
    if let Some(part) = record.part {
        put_number(out, part.first);
        if let Some(length) = part.complete_len {
            put_number(out, length);
        }
    }
}

pub(super) fn take(input: &mut Input<'_>, bits: u32, head: &ResponseHead) -> Result<Record, CodecError> {
    let has = |bit: u32| bits & bit != 0;
    if has(bit::COMPLETE_LEN) && !has(bit::PART) {
        return Err(CodecError::Invalid("presence bits"));
    }
    let status = if has(bit::STATUS) { input.number("the status")? } else { head.status.as_u16() };
    let flags = input.number("flags")?;
    let flags = RecordFlags::from_bits(flags).ok_or(CodecError::Invalid("flags"))?;
    let response_time = Timestamp::from_millis(input.signed()?);
    let seconds = |input: &mut Input<'_>, bit| present(has(bit), || input.number("seconds"));
    let text = |input: &mut Input<'_>, written, same, name| {
        take_text(input, has(written), has(same), head.fields.get(name))
    };
    let mut rare = RareFacts::default();
    let mut record = Record {
        status,
        flags,
        response_time,
        request_time: take_time(input, response_time)?,
        date: take_time(input, response_time)?,
        last_modified: present(has(bit::LAST_MODIFIED), || take_time(input, response_time))?,
        stale_from: present(has(bit::STALE_FROM), || take_time(input, response_time))?,
        initial_age: seconds(input, bit::INITIAL_AGE)?.unwrap_or(0),
        max_age: None,
        expires: None,
        admission: admission(bits >> bit::ADMISSION_AT & 3),
        etag: None,
        vary: Box::default(),
        rare: Rare::default(),
    };
    rare.s_maxage = seconds(input, bit::S_MAXAGE)?;
    record.max_age = seconds(input, bit::MAX_AGE)?;
    record.expires = seconds(input, bit::EXPIRES)?;
    rare.stale_while_revalidate = seconds(input, bit::STALE_WHILE_REVALIDATE)?;
    rare.stale_if_error = seconds(input, bit::STALE_IF_ERROR)?;
    if let Some(partition) = present(has(bit::PRIVATE), || input.text("the partition"))? {
        rare.audience = Audience::Private(partition.into());
    }
    record.etag = text(input, bit::ETAG, bit::ETAG_OF_HEAD, ETAG)?;
    let modified = text(input, bit::MODIFIED, bit::MODIFIED_OF_HEAD, LAST_MODIFIED)?;
    record.vary = if has(bit::VARY) { take_vary(input)? } else { Box::default() };
    rare.tags = if has(bit::TAGS) { take_labels(input)? } else { Vec::new() };
    rare.groups = if has(bit::GROUPS) { take_labels(input)? } else { Vec::new() };
    rare.part = present(has(bit::PART), || take_part(input, has(bit::COMPLETE_LEN)))?;
    record.rare = rare.into();
    record.set_last_modified(modified.as_deref(), record.last_modified);
    Ok(record)
}

fn present<T>(is: bool, take: impl FnOnce() -> Result<T, CodecError>) -> Result<Option<T>, CodecError> {
    if is { take().map(Some) } else { Ok(None) }
}

/// The difference wraps, and so does the sum: every pair of times comes back.
fn put_time(out: &mut Vec<u8>, time: Timestamp, base: Timestamp) {
    put_signed(out, time.as_millis().wrapping_sub(base.as_millis()));
}

fn take_time(input: &mut Input<'_>, base: Timestamp) -> Result<Timestamp, CodecError> {
    Ok(Timestamp::from_millis(base.as_millis().wrapping_add(input.signed()?)))
}

fn take_text(
    input: &mut Input<'_>,
    written: bool,
    same: bool,
    of_head: Option<&[u8]>,
) -> Result<Option<Box<[u8]>>, CodecError> {
    match (written, same) {
        (false, false) => Ok(None),
        (true, false) => input.bytes().map(|text| Some(text.into())),
        (false, true) => of_head
            .map(|text| Some(text.into()))
            .ok_or(CodecError::Invalid("a validator that is not in the head")),
        (true, true) => Err(CodecError::Invalid("presence bits")),
    }
}

/// A value's length is written plus one; zero stands for a request without the field.
fn put_vary(out: &mut Vec<u8>, vary: &[VarySelector]) {
    put_number(out, vary.len() as u64);
    for selector in vary {
        names::put(out, names::REQUEST, selector.name.as_bytes());
        match &selector.value {
            None => put_number(out, 0),
            Some(value) => {
                put_number(out, value.len() as u64 + 1);
                out.extend_from_slice(value);
            }
        }
    }
}

fn take_vary(input: &mut Input<'_>) -> Result<Box<[VarySelector]>, CodecError> {
    input.list(2, |input| {
        let name = std::str::from_utf8(names::take(input, names::REQUEST)?);
        let name = name.map_err(|_| CodecError::Invalid("the name of a selecting field"))?;
        let length: u64 = input.number("a length")?;
        let value = match length.checked_sub(1) {
            None => None,
            Some(length) => Some(input.take(length)?.into()),
        };
        Ok(VarySelector { name: name.into(), value })
    })
}

fn take_labels(input: &mut Input<'_>) -> Result<Vec<Box<str>>, CodecError> {
    input.list(1, |input| input.text("a tag or group").map(Into::into)).map(Vec::from)
}

fn take_part(input: &mut Input<'_>, complete: bool) -> Result<Part, CodecError> {
    let first = input.number("the part")?;
    let complete_len = present(complete, || input.number("the part"))?;
    Ok(Part { first, complete_len })
}

fn admission_number(admission: Admission) -> u32 {
    match admission {
        Admission::Standards => 0,
        Admission::DefaultTtl => 1,
        Admission::ForceCache => 2,
        Admission::NegativeTtl => 3,
    }
}

fn admission(number: u32) -> Admission {
    match number {
        0 => Admission::Standards,
        1 => Admission::DefaultTtl,
        2 => Admission::ForceCache,
        _ => Admission::NegativeTtl,
    }
}
