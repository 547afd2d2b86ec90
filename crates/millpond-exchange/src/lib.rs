//! Value types shared by every layer of millpond.
//!
//! What lives here: time, field lists, request and response heads, bodies, keys, records, selectors. What must not:
//! rules (they are in `millpond-policy`), clocks, runtimes, file systems, the environment.

mod body;
mod credentials;
mod fields;
mod head;
pub mod json;
pub mod key;
mod lines;
mod query;
mod record;
mod selector;
mod time;
pub mod url;

pub use body::{Body, BodyError, BodyErrorKind, BodyStream, Frame, Holder, Segments};
pub use credentials::CREDENTIAL_FIELDS;
pub use fields::{Field, Fields, InvalidField, is_token_byte, is_value_byte};
pub use head::{RequestHead, ResponseHead, Scheme};
pub use http::{Method, StatusCode, Version};
pub use key::{Key, KeyBuf, KeyParts};
pub use query::QueryRules;
pub use record::{Admission, Audience, Part, Rare, RareFacts, Record, RecordFlags, VarySelector};
pub use selector::{PurgeMode, Selector};
pub use time::Timestamp;
