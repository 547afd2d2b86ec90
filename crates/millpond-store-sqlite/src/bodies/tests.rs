//! What these files promise, over a real file system.

mod damage;
mod live;
mod places;
mod round_trip;
mod sweeping;

use super::chunk::CHUNK;
use super::*;
use tempfile::TempDir;

const ID: u64 = 0x0123_4567_89ab_cdef;

/// A directory that does not exist yet, with bodies in it.
fn bodies() -> (TempDir, Bodies) {
    let parent = tempfile::tempdir().expect("a directory");
    let bodies = Bodies::open(parent.path().join("cache.db-bodies")).expect("it opens");
    (parent, bodies)
}

/// `length` bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = length as u64;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// `length` bytes that do.
fn text(length: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|number| format!("line {number} of something to read\n").into_bytes());
    lines.take(length).collect()
}

/// Chunks of both kinds in turn.
fn mixed(length: usize) -> Vec<u8> {
    let mut content = noise(length);
    for chunk in content.chunks_mut(CHUNK).step_by(2) {
        chunk.copy_from_slice(&text(chunk.len()));
    }
    content
}

/// Keeps `content`, written in pieces that fit nothing.
fn keep(bodies: &Bodies, content: &[u8], compress: bool, id: u64) -> StoredBody {
    let mut writer = bodies.create(compress, id).expect("it begins");
    for piece in content.chunks(100_001) {
        writer.write(piece).expect("it writes");
    }
    writer.finish().expect("it finishes")
}

fn read(bodies: &Bodies, kept: &StoredBody, id: u64) -> Result<Vec<u8>, BodyFault> {
    let reader = bodies.reader(&kept.name, &kept.table, kept.len, id)?;
    read_range(&reader, 0..kept.len)
}

fn read_range(reader: &BodyReader, range: std::ops::Range<u64>) -> Result<Vec<u8>, BodyFault> {
    let mut content = Vec::new();
    for (number, part) in reader.chunks_for(range) {
        content.extend_from_slice(&reader.chunk(number)?[part]);
    }
    Ok(content)
}

fn path(bodies: &Bodies, kept: &StoredBody) -> PathBuf {
    path_in(bodies.dir(), &kept.name).expect("a name")
}

/// Every file below `dir` but locks.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            found.push(path);
        }
    }
    found
}
