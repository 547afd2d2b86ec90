//! What the origin takes back: a stored response in whose place an answer came that may not be stored itself (RFC 9111
//! section 4.3.3), or whose new fields forbid storing it (sections 3 and 4.3.4).

use crate::reason::Reason;
use millpond_exchange::{Record, RecordFlags, StatusCode, Timestamp};

/// True where a full answer with `status`, which is not stored for `reason`, says of the stored response that the request
/// selected that it is not to be used any more: "a full response indicates that none of the stored responses nominated in
/// the conditional request are suitable" (RFC 9111 section 4.3.3).
///
/// Not so a server error, nor what is said of this one request, its moment or its user: what is stored for everybody stays,
/// and the next request of another kind learns what the origin has for it. Nor where the store only had no room or was
/// out of reach: that says nothing of the response, and passes. A body that is too large for the store will be too large the next
/// time as well, so nothing would ever take the place of what it replaces.
pub const fn withdraws(status: StatusCode, reason: Reason) -> bool {
    // 400, 408, 421, 425, 429 and 431 are about the request, or about how often it comes.
    if matches!(status.as_u16(), ..200 | 304 | 400 | 408 | 421 | 425 | 429 | 431 | 500..) {
        return false;
    }
    !matches!(
        reason,
        Reason::Method
            | Reason::RequestNoStore
            | Reason::NotModified
            | Reason::RequestSpecific
            | Reason::Multipart
            | Reason::ContentRange
            | Reason::IfRangeHead
            | Reason::Partial
            | Reason::Authorization
            | Reason::NoPartition
            | Reason::UserRequest
            | Reason::StoreUnavailable
    )
}

/// `record` after the origin has taken its response back at `now`: no request gets or validates it any more.
pub fn withdrawn(record: &Record, now: Timestamp) -> Record {
    let mut record = Record { stale_from: Some(now), ..record.clone() };
    record.flags |= RecordFlags::WITHDRAWN;
    record
}

/// True when the origin has taken it back: see [`withdrawn`].
pub const fn is_withdrawn(record: &Record) -> bool {
    record.flags.contains(RecordFlags::WITHDRAWN)
}
