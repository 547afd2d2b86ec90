//! Fields that belong to one connection and must not travel on or be stored (RFC 9110 section 7.6.1, RFC 9111 section 3.1).

use millpond_exchange::Fields;

const CONNECTION_FIELDS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Fields for every recipient, which Connection cannot name (RFC 9110 section 7.6.1: "never appropriate as a connection
/// option"). Taking them off at a sender's word would let it strip no-store, Vary or credentials from a message.
const END_TO_END: [&str; 16] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "host",
    "last-modified",
    "set-cookie",
    "vary",
    "via",
];

/// Removes the connection-specific fields, those for one proxy (RFC 9110 section 11.7), and every field that Connection names, but for those that are end-to-end by nature.
pub fn remove_connection_fields(fields: &mut Fields) {
    let named: Vec<Vec<u8>> = fields
        .get_all("connection")
        .flat_map(|value| value.split(|b| *b == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .filter(|token| !END_TO_END.iter().any(|name| name.as_bytes() == token.as_slice()))
        .collect();
    fields.retain(|field| {
        !CONNECTION_FIELDS.iter().any(|name| field.is(name))
            && !named.iter().any(|name| field.name.eq_ignore_ascii_case(name))
    });
}
