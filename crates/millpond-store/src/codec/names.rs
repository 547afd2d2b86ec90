//! Field names that are written as a number. The order is part of the format: it never changes.

use super::CodecError;
use super::wire::{Input, put_number};

/// Names of response fields, in the spellings seen most: exactly these, so that case is kept. The first 64 take one byte.
#[rustfmt::skip]
pub(super) const RESPONSE: &[&str] = &[
    "date", "Date",
    "content-type", "Content-Type",
    "content-length", "Content-Length",
    "etag", "ETag",
    "last-modified", "Last-Modified",
    "cache-control", "Cache-Control",
    "expires", "Expires",
    "vary", "Vary",
    "server", "Server",
    "accept-ranges", "Accept-Ranges",
    "age", "Age",
    "via", "Via",
    "content-encoding", "Content-Encoding",
    "content-language", "Content-Language",
    "content-disposition", "Content-Disposition",
    "content-range", "Content-Range",
    "content-security-policy", "Content-Security-Policy",
    "location", "Location",
    "link", "Link",
    "set-cookie", "Set-Cookie",
    "access-control-allow-origin", "Access-Control-Allow-Origin",
    "strict-transport-security", "Strict-Transport-Security",
    "x-content-type-options", "X-Content-Type-Options",
    "x-frame-options", "X-Frame-Options",
    "x-xss-protection", "X-XSS-Protection",
    "x-cache", "X-Cache",
    "x-request-id", "X-Request-Id",
    "x-served-by", "X-Served-By",
    "referrer-policy", "Referrer-Policy",
    "alt-svc", "Alt-Svc",
    "pragma", "Pragma",
    "Etag", "Cf-Ray",
    // From here on two bytes.
    "cf-ray", "CF-RAY",
    "cf-cache-status", "CF-Cache-Status",
    "x-cache-hits", "X-Cache-Hits",
    "x-timer", "X-Timer",
    "x-powered-by", "X-Powered-By",
    "content-location", "Content-Location",
    "cross-origin-resource-policy", "Cross-Origin-Resource-Policy",
    "cross-origin-opener-policy", "Cross-Origin-Opener-Policy",
    "timing-allow-origin", "Timing-Allow-Origin",
    "permissions-policy", "Permissions-Policy",
    "access-control-allow-methods", "Access-Control-Allow-Methods",
    "access-control-allow-headers", "Access-Control-Allow-Headers",
    "access-control-expose-headers", "Access-Control-Expose-Headers",
    "access-control-allow-credentials", "Access-Control-Allow-Credentials",
    "cache-tag", "Cache-Tag",
    "surrogate-key", "Surrogate-Key",
    "x-amz-cf-id", "X-Amz-Cf-Id",
    "x-amz-cf-pop", "X-Amz-Cf-Pop",
    "x-amz-request-id", "x-amz-id-2",
    "x-github-request-id", "X-GitHub-Request-Id",
    "server-timing", "Server-Timing",
    "report-to", "Report-To",
    "nel", "NEL",
    "priority", "Priority",
];

/// Names of request fields that responses vary on.
#[rustfmt::skip]
pub(super) const REQUEST: &[&str] = &[
    "accept-encoding", "accept", "accept-language", "origin", "cookie", "authorization", "user-agent", "range",
    "access-control-request-method", "access-control-request-headers", "x-requested-with", "x-forwarded-proto",
    "host", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "rsc", "next-router-state-tree",
    "next-router-prefetch", "next-url", "save-data", "x-inertia",
];

/// Writes a name: twice its place in `table` and one, or twice its length and its bytes.
pub(super) fn put(out: &mut Vec<u8>, table: &[&str], name: &[u8]) {
    if let Some(place) = table.iter().position(|known| known.as_bytes() == name) {
        put_number(out, 2 * place as u64 + 1);
    } else {
        put_number(out, 2 * name.len() as u64);
        out.extend_from_slice(name);
    }
}

/// Reads what [`put`] wrote.
pub(super) fn take<'a>(input: &mut Input<'a>, table: &[&'static str]) -> Result<&'a [u8], CodecError> {
    let number: u64 = input.number("a name")?;
    if number & 1 == 0 {
        return input.take(number >> 1);
    }
    let place = usize::try_from(number >> 1).map_err(|_| CodecError::Invalid("a name"))?;
    table.get(place).map(|name| name.as_bytes()).ok_or(CodecError::Invalid("a name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_stands_twice() {
        for table in [RESPONSE, REQUEST] {
            assert_eq!(table.iter().collect::<HashSet<_>>().len(), table.len());
        }
    }

    /// Who inserts, removes or respells a name breaks the files that are there.
    #[test]
    fn the_tables_of_version_1_are_as_they_were() {
        // FNV-1a, written out: a digest that no library changes.
        let digest = |table: &[&str]| {
            let bytes = table.iter().flat_map(|name| name.bytes().chain([b'\n']));
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        assert_eq!((RESPONSE.len(), digest(RESPONSE)), (112, 0xe0d4_87bd_a145_aff7));
        assert_eq!((REQUEST.len(), digest(REQUEST)), (23, 0x772f_5e25_f191_687f));
    }
}
