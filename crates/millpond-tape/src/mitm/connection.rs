//! Connections, as flows have them. Some keys were called otherwise before version 19; the old names are read as well.

use super::item::{Item, Walker, tag, weight};
use crate::{ConnectionFacts, TapeError};

type Result<T> = std::result::Result<T, TapeError>;

/// The connection of the client.
pub fn client(walker: &mut Walker<'_>, item: Item) -> Result<ConnectionFacts> {
    let mut facts = ConnectionFacts { proxy_mode: "regular".to_owned(), ..tcp() };
    walker.entries(item, |walker, key, value| match key {
        b"peername" | b"address" => set(&mut facts.peer, peer(walker, value)?),
        b"mitmcert" => set(&mut facts.shown_certificate, walker.optional(value, Walker::bytes)?),
        b"proxy_mode" => set(&mut facts.proxy_mode, walker.text(value)?),
        _ => common(walker, key, value, &mut facts),
    })?;
    // Of a client there is no address to go to, and its connection must have begun: what stands for "unknown" is written so.
    facts.started = facts.started.filter(|at| *at != 0.0);
    facts.local = facts.local.filter(|(host, _)| !host.is_empty());
    Ok(facts)
}

/// The connection to the server.
pub fn server(walker: &mut Walker<'_>, item: Item) -> Result<ConnectionFacts> {
    let (mut facts, mut named_by_address) = (tcp(), false);
    walker.entries(item, |walker, key, value| match key {
        b"peername" | b"ip_address" => set(&mut facts.peer, peer(walker, value)?),
        b"source_address" => set(&mut facts.local, walker.optional(value, Walker::address)?),
        b"address" => set(&mut facts.address, walker.optional(value, Walker::address)?),
        b"timestamp_tcp_setup" => set(&mut facts.tcp_setup, walker.optional(value, Walker::float)?),
        // Until version 18 `via` was a connection, and `via2` what `via` is now.
        b"via" | b"via2" if value.tag == tag::LIST => set(&mut facts.via, Some(via(walker, value)?)),
        b"via" | b"via2" => Ok(()),
        b"sni" if value.tag == tag::BOOLEAN => set(&mut named_by_address, walker.boolean(value)?),
        _ => common(walker, key, value, &mut facts),
    })?;
    if named_by_address {
        facts.sni = facts.address.as_ref().map(|(host, _)| host.clone());
    }
    Ok(facts)
}

/// A connection as older versions have it where they do not say.
fn tcp() -> ConnectionFacts {
    ConnectionFacts { transport: "tcp".to_owned(), ..ConnectionFacts::default() }
}

/// What both have.
fn common(walker: &mut Walker<'_>, key: &[u8], value: Item, facts: &mut ConnectionFacts) -> Result<()> {
    match key {
        b"id" => facts.id = walker.text(value)?,
        b"sockname" => facts.local = walker.optional(value, Walker::address)?,
        b"transport_protocol" => facts.transport = walker.text(value)?,
        b"error" => facts.error = walker.optional(value, Walker::text)?,
        b"tls" => facts.tls = walker.boolean(value)?,
        b"certificate_list" => facts.certificates = byte_strings(walker, value)?,
        b"alpn" => facts.alpn = walker.optional(value, Walker::bytes)?,
        b"alpn_offers" => facts.alpn_offers = byte_strings(walker, value)?,
        b"cipher" | b"cipher_name" => facts.cipher = walker.optional(value, Walker::text)?,
        b"cipher_list" => facts.ciphers = texts(walker, value)?,
        b"tls_version" => facts.tls_version = tls_version(walker, value)?,
        b"sni" if value.tag != tag::BOOLEAN => facts.sni = walker.optional(value, Walker::text)?,
        b"timestamp_start" => facts.started = walker.optional(value, Walker::float)?,
        b"timestamp_end" => facts.ended = walker.optional(value, Walker::float)?,
        b"timestamp_tls_setup" => facts.tls_setup = walker.optional(value, Walker::float)?,
        _ => {}
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it ends the arms of a match, all of which may fail but here")]
fn set<T>(place: &mut T, value: T) -> Result<()> {
    *place = value;
    Ok(())
}

/// The address of the other side; an empty one is written where it is not known.
fn peer(walker: &mut Walker<'_>, item: Item) -> Result<Option<(String, u16)>> {
    let address = walker.optional(item, Walker::address)?;
    Ok(address.filter(|(host, _)| !host.is_empty()))
}

/// Up to version 20 there was no number behind QUIC.
fn tls_version(walker: &mut Walker<'_>, item: Item) -> Result<Option<String>> {
    let version = walker.optional(item, Walker::text)?;
    Ok(version.map(|version| if version == "QUIC" { "QUICv1".to_owned() } else { version }))
}

fn byte_strings(walker: &mut Walker<'_>, item: Item) -> Result<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    if !item.is_null() {
        walker.list(item, |walker, one| {
            walker.hold(weight::STRING)?;
            strings.push(walker.bytes(one)?);
            Ok(())
        })?;
    }
    Ok(strings)
}

fn texts(walker: &mut Walker<'_>, item: Item) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    if !item.is_null() {
        walker.list(item, |walker, one| {
            walker.hold(weight::STRING)?;
            texts.push(walker.text(one)?);
            Ok(())
        })?;
    }
    Ok(texts)
}

/// The proxy on the way: scheme, and a list of host and port.
fn via(walker: &mut Walker<'_>, item: Item) -> Result<(String, String, u16)> {
    let [scheme, address] = walker.first(item)?;
    let (host, port) = walker.address(address)?;
    Ok((walker.text(scheme)?, host, port))
}
