//! Names and values of HTTP fields, and the status codes that negative caching may name.

use super::{BadValue, serialize_as_text, text_value};
use http::{HeaderName, HeaderValue, StatusCode};
use std::fmt;
use std::str::FromStr;

/// Fields that belong to the connection or to message framing (RFC 9110 sections 7.2 and 7.6.1, RFC 9112 section 6), or
/// that say which host is meant. A rule that rewrote them could make a message mean something else on the next hop.
const NOT_REWRITTEN: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Parts of a field name that betray a secret in its value.
const SECRETIVE: [&str; 8] = ["auth", "cookie", "credential", "key", "passw", "secret", "signature", "token"];

/// Whether a field of this name is likely to carry a secret, so that its value is never shown.
pub(crate) fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETIVE.iter().any(|part| name.contains(part))
}

/// What stands where a secret would be.
pub(crate) const HIDDEN: &str = "[hidden]";

/// The name of a field, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(String);

impl FieldName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match HeaderName::from_str(text) {
            Ok(name) => Ok(Self(name.as_str().to_owned())),
            Err(_) => Err(BadValue::new(format!("is not a field name: {text:?}"))
                .help("write a name such as \"X-Team\", without the colon")),
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(FieldName, "field-name", "a field name", "X-Team");
serialize_as_text!(FieldName);

/// The name of a field that a rule may set or remove, in lower case: any but those that frame the message or belong to
/// the connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RewrittenField(FieldName);

impl RewrittenField {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for RewrittenField {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let name: FieldName = text.parse()?;
        if NOT_REWRITTEN.contains(&name.as_str()) {
            let help = if name.as_str() == "host" {
                "use `preserve_host` to send the client's Host"
            } else {
                "leave it out: millpond writes this field itself"
            };
            return Err(BadValue::new(format!("names a field that cannot be rewritten: {text:?}")).help(help));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for RewrittenField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(RewrittenField, "rewritten-field", "a field name", "X-Team");
serialize_as_text!(RewrittenField);

/// The value of a field. It may be a secret, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldValue(String);

impl FieldValue {
    /// The value, for sending.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldValue {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim_matches([' ', '\t']);
        match HeaderValue::from_str(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(BadValue::new("has a character that no field value may have")
                .help("write visible ASCII characters, spaces and tabs only")),
        }
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

text_value!(FieldValue, "field-value", "text", "blue");

/// A status code from 400 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorStatus(StatusCode);

impl ErrorStatus {
    /// The status code.
    pub const fn status(self) -> StatusCode {
        self.0
    }
}

impl FromStr for ErrorStatus {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match StatusCode::from_str(text) {
            Ok(status) if status.is_client_error() || status.is_server_error() => Ok(Self(status)),
            _ => Err(BadValue::new(format!("is not the status code of an error: {text:?}"))
                .help("write a status code from 400 to 599, such as 404")),
        }
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

text_value!(ErrorStatus, "error-status", "a status code from 400 to 599", "404");
serialize_as_text!(ErrorStatus);
