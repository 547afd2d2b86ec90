//! The requests and responses that are walked with: the usual ones, neither the smallest nor the largest.

use millpond_exchange::{RequestHead, ResponseHead, StatusCode, Timestamp};

/// Where the clock stands.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The host that is asked.
pub const HOST: &str = "shop.example.com";

/// A path with a query.
pub const PATH: &str = "/catalogue/products/4711?page=2&sort=price";

/// The content of every response, bytes.
pub const CONTENT: &[u8] = &[b'x'; 1024];

/// The fields of a browser's request.
pub const REQUEST: &[(&str, &str)] = &[
    ("Host", HOST),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://shop.example.com/catalogue"),
    ("Connection", "keep-alive"),
];

/// The fields of a response, Cache-Control aside.
const RESPONSE: &[(&str, &str)] = &[
    ("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),
    ("Server", "origin/1.0"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("ETag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
    ("Last-Modified", "Thu, 14 Jan 2027 08:00:00 GMT"),
    ("Vary", "Accept-Encoding"),
    ("X-Content-Type-Options", "nosniff"),
];

/// A GET for `path`, without what concerns its connection alone.
pub fn request(path: &str) -> RequestHead {
    let fields = REQUEST.iter().copied().filter(|(name, _)| *name != "Connection").collect();
    RequestHead { fields, ..RequestHead::get(HOST, path) }
}

/// A response with this status and Cache-Control.
pub fn response(status: StatusCode, cache_control: &str) -> ResponseHead {
    let fields = RESPONSE.iter().copied().chain([("Cache-Control", cache_control)]).collect();
    ResponseHead { fields, ..ResponseHead::new(status) }
}
