//! Fields that belong to one connection and must not travel on (RFC 9110 section 7.6.1).

use millpond_exchange::Fields;

const CONNECTION_FIELDS: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Removes the connection-specific fields and every field that Connection names.
///
/// End-to-end fields that a sender wrongly named in Connection (`Cache-Control`, `Host`, ...) go as well: the sender asked for it,
/// but for those that frame the message or choose its target, which are not the sender's to remove.
pub fn strip_connection_fields(fields: &mut Fields) {
    let named: Vec<Vec<u8>> = fields
        .get_all("connection")
        .flat_map(|value| value.split(|b| *b == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .filter(|token| !matches!(token.as_slice(), b"" | b"close" | b"host" | b"content-length"))
        .collect();
    fields.retain(|field| {
        !CONNECTION_FIELDS.iter().any(|name| field.is(name))
            && !named.iter().any(|name| field.name.eq_ignore_ascii_case(name))
    });
}
