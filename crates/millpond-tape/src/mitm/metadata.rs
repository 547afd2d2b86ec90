//! The metadata of flows: the only place where something may be noted that mitmproxy does not know.
//!
//! What [`Recorded`] has and mitmproxy does not is there under names of our own:
//!
//! * `millpond_aborted`: `true` where the response broke off. It goes without saying where mitmproxy has an error and a
//!   response that did not end; should such a one not have broken off, `false` says so;
//! * `millpond_timing`: when the pieces of the response's body came: a list of lists of two, seconds since the response's
//!   first byte and how many bytes there were.

use super::item::{Item, Walker, malformed, tag, weight};
use crate::{Chunk, Recorded, TapeError};
use serde_json::{Map, Number, Value};

pub const ABORTED: &str = "millpond_aborted";
pub const TIMING: &str = "millpond_timing";

/// How deep values may lie within each other.
pub const DEPTH: usize = 100;

type Result<T> = std::result::Result<T, TapeError>;

/// Whether the response broke off, for all that mitmproxy notes of it.
pub fn seems_aborted(exchange: &Recorded) -> bool {
    exchange.error.is_some() && exchange.response.as_ref().is_some_and(|response| response.ended.is_none())
}

/// Reads the metadata into `recorded`, of which everything else is there already.
pub fn metadata(walker: &mut Walker<'_>, item: Item, recorded: &mut Recorded) -> Result<()> {
    walker.entries(item, |walker, key, value| {
        if key == ABORTED.as_bytes() && value.tag == tag::BOOLEAN {
            recorded.aborted = walker.boolean(value)?;
        } else if key == TIMING.as_bytes() && value.tag == tag::LIST {
            recorded.timing = timing(walker, value)?;
        }
        Ok(())
    })?;
    let ours = |key: &str, value: &Item| {
        key == ABORTED && value.tag == tag::BOOLEAN || key == TIMING && value.tag == tag::LIST
    };
    if item.len > 0 {
        recorded.metadata = members(walker, item, DEPTH, ours)?;
    }
    Ok(())
}

fn timing(walker: &mut Walker<'_>, item: Item) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    walker.list(item, |walker, chunk| {
        let [after, bytes] = walker.first(chunk)?;
        chunks.push(Chunk { after: walker.float(after)?, bytes: walker.integer(bytes)? });
        walker.hold(weight::CHUNK)
    })?;
    Ok(chunks)
}

/// The members of a dictionary whose keys may be of any length.
fn members(
    walker: &mut Walker<'_>,
    item: Item,
    depth: usize,
    skip: impl Fn(&str, &Item) -> bool,
) -> Result<Map<String, Value>> {
    let (mut map, mut at, end) = (Map::new(), item.start, item.start + item.len);
    while at < end {
        let name = walker.item(at, end)?;
        let member = walker.item(name.end(), end)?;
        at = member.end();
        let key = match name.tag {
            tag::INTEGER | tag::FLOAT => walker.literal(name)?,
            _ => walker.text(name)?,
        };
        if !skip(&key, &member) {
            map.insert(key, value(walker, member, depth)?);
        }
    }
    Ok(map)
}

/// A value as JSON. Byte strings become texts, with U+FFFD for what is no UTF-8; numbers that JSON does not have become null.
fn value(walker: &mut Walker<'_>, item: Item, depth: usize) -> Result<Value> {
    let deeper = depth.checked_sub(1).ok_or_else(|| malformed(item.start, "metadata nested too deep"))?;
    walker.hold(weight::VALUE)?;
    Ok(match item.tag {
        tag::NULL => Value::Null,
        tag::BOOLEAN => Value::Bool(walker.boolean(item)?),
        tag::FLOAT => Number::from_f64(walker.float(item)?).map_or(Value::Null, Value::Number),
        tag::INTEGER => integer(walker, item)?,
        tag::BYTES | tag::TEXT => Value::String(walker.text(item)?),
        tag::LIST => {
            let mut list = Vec::new();
            walker.list(item, |walker, one| {
                list.push(value(walker, one, deeper)?);
                Ok(())
            })?;
            Value::Array(list)
        }
        tag::DICTIONARY => Value::Object(members(walker, item, deeper, |_, _| false)?),
        _ => return Err(malformed(item.start, "of no type that is known")),
    })
}

/// A whole number, one beyond 64 bits as near as a float comes to it.
fn integer(walker: &mut Walker<'_>, item: Item) -> Result<Value> {
    let digits = walker.literal(item)?;
    let whole = digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from));
    let number = whole.ok().or_else(|| Number::from_f64(digits.parse().ok()?));
    number.map(Value::Number).ok_or_else(|| malformed(item.start, "not a whole number"))
}
