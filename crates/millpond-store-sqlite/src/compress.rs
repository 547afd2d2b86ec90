//! Which bodies are worth compressing, and the coding itself.
//!
//! What must not live here: where it is noted that something is compressed (`rows`, `bodies::table`). It is never
//! guessed from the bytes.

use millpond_exchange::ResponseHead;
use std::cell::RefCell;
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};

/// The usual compromise: what higher levels save is little for what they cost.
const LEVEL: i32 = 3;

/// No byte of a zstd frame stands for more content than this: a block holds 128 KiB at most and takes four bytes.
const DENSEST: usize = 32 << 10;

/// Media types worth compressing, beside `text/*` and what ends in one of [`SUFFIXES`].
const TYPES: [&str; 29] = [
    "application/dash+xml",
    "application/eot",
    "application/geo+json",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/json-seq",
    "application/jsonl",
    "application/ld+json",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-tar",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Structured syntax suffixes (RFC 6838 section 4.2.8) of types worth compressing.
const SUFFIXES: [&str; 5] = ["+json", "+json-seq", "+text", "+xml", "+yaml"];

/// True when the body of `head` is of a type worth compressing and carries no content coding yet.
pub(crate) fn compressible(head: &ResponseHead) -> bool {
    let coded = head.fields.get_all("content-encoding").any(|value| {
        let value = value.trim_ascii();
        !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
    });
    !coded && head.fields.get_str("content-type").is_some_and(is_compressible_type)
}

fn is_compressible_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || TYPES.binary_search(&essence.as_str()).is_ok()
        || SUFFIXES.iter().any(|suffix| essence.ends_with(suffix))
}

/// Why something cannot be decompressed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum DecompressError {
    /// It is no zstd frame, or a broken one.
    #[error("the compressed bytes are damaged")]
    Damaged,
    /// It holds more or less than it should.
    #[error("the compressed bytes hold another length than was noted")]
    Length,
    /// There is no memory for it.
    #[error("no memory for the decompressed bytes")]
    Memory,
}

thread_local! {
    // A context is large beside what it is used on; making one for each body would cost more than the coding.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// `content` compressed; `None` when that would not save a tenth.
pub(crate) fn compress(content: &[u8]) -> Option<Vec<u8>> {
    // A buffer that cannot hold more than is worth keeping: the coding fails as soon as it is full.
    let most = content.len() - content.len().div_ceil(10);
    let mut kept = vec![0; most];
    let length = COMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = Compressor::new(LEVEL).ok();
        }
        context.as_mut()?.compress_to_buffer(content, kept.as_mut_slice()).ok()
    })?;
    kept.truncate(length);
    kept.shrink_to_fit();
    Some(kept)
}

/// The content of `kept`, which is exactly `len` bytes.
///
/// # Errors
/// [`DecompressError`] for anything else.
pub(crate) fn decompress(kept: &[u8], len: usize) -> Result<Vec<u8>, DecompressError> {
    if len / DENSEST > kept.len() {
        return Err(DecompressError::Length);
    }
    match zstd::zstd_safe::get_frame_content_size(kept) {
        Ok(Some(announced)) if announced == len as u64 => {}
        Ok(_) => return Err(DecompressError::Length),
        Err(_) => return Err(DecompressError::Damaged),
    }
    let mut content = Vec::new();
    content.try_reserve_exact(len).map_err(|_| DecompressError::Memory)?;
    DECOMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = Some(Decompressor::new().map_err(|_| DecompressError::Memory)?);
        }
        let decompressor = context.as_mut().ok_or(DecompressError::Memory)?;
        decompressor.decompress_to_buffer(kept, &mut content).map_err(|_| DecompressError::Damaged)
    })?;
    if content.len() == len { Ok(content) } else { Err(DecompressError::Length) }
}

#[cfg(test)]
mod tests;
