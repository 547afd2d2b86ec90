//! Files that are being written: readers, bounds, a full disk.

use super::*;

/// All there is to read from `offset` on.
fn read_on(handle: &BodyHandle, mut offset: u64) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let piece = handle.read_at(offset).expect("it reads");
        if piece.is_empty() {
            return content;
        }
        offset += piece.len() as u64;
        content.extend_from_slice(&piece);
    }
}

#[test]
fn what_is_written_can_be_read_at_once() {
    let (_parent, bodies) = bodies();
    let content = mixed(2 * CHUNK + 50_000);
    let mut writer = bodies.create(true, ID).expect("it begins");
    let handle = writer.handle();
    assert!(handle.read_at(0).expect("it reads").is_empty());
    let mut written = 0;
    for piece in content.chunks(70_000) {
        writer.write(piece).expect("it writes");
        written += piece.len();
        assert_eq!((handle.len(), writer.len()), (written as u64, written as u64));
        for offset in [0, 1, written / 2, written - 1, written] {
            assert!(read_on(&handle, offset as u64) == content[offset..written], "{offset} of {written}");
        }
        assert!(handle.read_at(written as u64 + 1).expect("it reads").is_empty());
        assert!(handle.read_at(u64::MAX).expect("it reads").is_empty());
    }
    assert!(handle.read_memory(0).is_none(), "the first chunk lies in the file");
    assert_eq!(handle.read_memory(written as u64 - 1).as_deref(), content.last().map(std::slice::from_ref));
    let kept = writer.finish().expect("it finishes");
    assert!(read_on(&handle, 5) == content[5..]);
    bodies.remove(&kept.name).expect("it goes");
    let again = handle.clone();
    drop(handle);
    assert!(read_on(&again, 0) == content);
}

#[test]
fn what_was_written_can_be_read_after_an_abort() {
    let (_parent, bodies) = bodies();
    let content = text(CHUNK + 1_000);
    let mut writer = bodies.create(true, ID).expect("it begins");
    writer.write(&content).expect("it writes");
    let handle = writer.handle();
    drop(writer);
    assert!(files(bodies.dir()).is_empty(), "an abort leaves nothing");
    assert!(read_on(&handle, 0) == content);
}

#[test]
fn readers_follow_a_writer() {
    let (_parent, bodies) = bodies();
    let content = mixed(5 * CHUNK + 77);
    let mut writer = bodies.create(true, ID).expect("it begins");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (handle, content) = (writer.handle(), &content);
            scope.spawn(move || {
                let mut read = 0;
                while read < content.len() {
                    let piece = handle.read_at(read as u64).expect("it reads");
                    assert!(*piece == content[read..read + piece.len()], "at {read}");
                    read += piece.len();
                    std::thread::yield_now();
                }
            });
        }
        for piece in content.chunks(30_011) {
            writer.write(piece).expect("it writes");
        }
        writer.finish().expect("it finishes");
    });
}

#[test]
fn what_comes_back_from_the_file_is_checked() {
    let (_parent, bodies) = bodies();
    let mut writer = bodies.create(false, ID).expect("it begins");
    let handle = writer.handle();
    writer.write(&noise(CHUNK)).expect("it writes");
    let [path] = &files(bodies.dir())[..] else { panic!("one file") };
    fs::write(path, noise(CHUNK + 1)).expect("it writes");
    assert_eq!(handle.read_at(0).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
}

#[test]
fn a_full_disk_leaves_what_was_written_readable() {
    let (_parent, bodies) = bodies();
    let full = OpenOptions::new().read(true).write(true).open("/dev/full").expect("a full disk");
    let session = bodies.session().expect("a directory");
    let mut writer =
        BodyWriter::new(bodies.dir(), "f".repeat(32), session, full, bodies.held().clone(), false, ID);
    let handle = writer.handle();
    let content = noise(CHUNK + 10);
    writer.write(&content[..1_000]).expect("it lies in memory");
    let refused = writer.write(&content[1_000..]).map_err(|error| error.kind());
    assert_eq!(refused, Err(io::ErrorKind::StorageFull));
    assert!(read_on(&handle, 0) == content[..CHUNK]);
    writer.write(b"more").expect_err("it has failed");
    writer.finish().expect_err("it has failed");
    assert!(read_on(&handle, 7) == content[7..CHUNK]);
    drop(handle);
    assert_eq!(bodies.held().bytes(), 0);
}

#[test]
fn what_has_lost_its_name_is_counted_while_somebody_has_it_open() {
    let (_parent, bodies) = bodies();
    let held = || bodies.held().bytes();
    let mut given_up = bodies.create(false, ID).expect("it begins");
    given_up.write(&noise(CHUNK)).expect("it writes");
    let (handle, other) = (given_up.handle(), given_up.handle());
    assert_eq!(held(), 0, "it has a name");
    drop(given_up);
    assert_eq!(held(), CHUNK as u64);
    drop(handle);
    assert_eq!(held(), CHUNK as u64, "another one reads it");
    drop(other);
    assert_eq!(held(), 0);

    let mut writer = bodies.create(true, ID).expect("it begins");
    writer.write(&text(CHUNK)).expect("it writes");
    let early = writer.handle();
    let kept = writer.finish().expect("it finishes");
    let late = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
    assert_eq!(held(), 0, "it has a name");
    bodies.clone().remove(&kept.name).expect("it goes");
    bodies.remove(&kept.name).expect("it is gone");
    assert_eq!(held(), kept.stored_len, "counted once");
    drop(early);
    assert_eq!(late.chunk(0).expect("it reads"), text(CHUNK));
    drop(late);
    assert_eq!(held(), 0);
    bodies.remove(&kept.name).expect("it is gone");
    assert!(bodies.reader(&kept.name, &kept.table, kept.len, ID).is_err());
    assert_eq!(held(), 0);
}
