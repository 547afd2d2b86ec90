//! Damaged files and tables: noticed, never given out.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::FileExt;

fn is_damage(result: &Result<Vec<u8>, BodyFault>) -> bool {
    matches!(result, Err(BodyFault::Damaged(_)))
}

#[test]
fn every_bit_of_the_table_the_length_and_the_identity_counts() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, &mixed(2 * CHUNK + 5_000), true, ID);
    assert!(read(&bodies, &kept, ID).is_ok());
    for bit in 0..kept.table.len() * 8 {
        let mut other = kept.clone();
        other.table[bit / 8] ^= 1 << (bit % 8);
        assert!(is_damage(&read(&bodies, &other, ID)), "bit {bit} of the table");
    }
    for bit in 0..64 {
        let other = StoredBody { len: kept.len ^ (1 << bit), ..kept.clone() };
        assert!(is_damage(&read(&bodies, &other, ID)), "bit {bit} of the length");
        assert!(is_damage(&read(&bodies, &kept, ID ^ (1 << bit))), "bit {bit} of the identity");
    }
    for length in 0..kept.table.len() {
        let other = StoredBody { table: kept.table[..length].to_vec(), ..kept.clone() };
        assert!(is_damage(&read(&bodies, &other, ID)), "{length} bytes of the table");
    }
}

#[test]
fn every_bit_of_the_file_counts() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, &mixed(2 * CHUNK + 5_000), true, ID);
    let file = OpenOptions::new().read(true).write(true).open(path(&bodies, &kept)).expect("a file");
    let reader = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
    proptest!(ProptestConfig::with_cases(200), |(at in 0..kept.stored_len, bit in 0u8..8)| {
        let flip = || {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("a byte");
            file.write_all_at(&[byte[0] ^ (1 << bit)], at).expect("it writes");
        };
        flip();
        // A reader that was open already must notice just as well as a new one.
        let (old, new) = (read_range(&reader, 0..kept.len), read(&bodies, &kept, ID));
        flip();
        prop_assert!(is_damage(&old) && is_damage(&new));
    });
    assert!(read(&bodies, &kept, ID).is_ok());
}

#[test]
fn a_file_of_another_length_is_refused_at_once() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, &noise(2 * CHUNK), false, ID);
    let path = path(&bodies, &kept);
    let whole = fs::read(&path).expect("a file");
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1] {
        fs::write(&path, &whole[..length]).expect("it writes");
        let opened = bodies.reader(&kept.name, &kept.table, kept.len, ID);
        assert!(matches!(opened, Err(BodyFault::Damaged(_))), "{length}");
    }
    fs::write(&path, [&whole[..], b"more"].concat()).expect("it writes");
    assert!(is_damage(&read(&bodies, &kept, ID)));
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_noticed() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, &noise(2 * CHUNK), false, ID);
    let reader = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
    let file = OpenOptions::new().write(true).open(path(&bodies, &kept)).expect("a file");
    file.set_len(CHUNK as u64 + 1).expect("it is cut");
    assert!(reader.chunk(0).is_ok());
    assert!(matches!(reader.chunk(1), Err(BodyFault::Damaged(_))));
}

#[test]
fn files_that_change_places_are_noticed() {
    let (_parent, bodies) = bodies();
    let (one, other) = (keep(&bodies, &noise(CHUNK), false, 1), keep(&bodies, &text(CHUNK), false, 2));
    let (a, b, aside) = (path(&bodies, &one), path(&bodies, &other), bodies.dir().join("aside"));
    fs::rename(&a, &aside)
        .and_then(|()| fs::rename(&b, &a))
        .and_then(|()| fs::rename(&aside, &b))
        .expect("moved");
    assert!(is_damage(&read(&bodies, &one, 1)) && is_damage(&read(&bodies, &other, 2)));
    // With its table too, the body of one entry is not that of another.
    assert!(read(&bodies, &StoredBody { name: one.name.clone(), ..other.clone() }, 2).is_ok());
    assert!(is_damage(&read(&bodies, &StoredBody { name: one.name, ..other }, 1)));
}

#[test]
fn chunks_that_change_places_are_noticed() {
    let (_parent, bodies) = bodies();
    let content = noise(2 * CHUNK);
    let kept = keep(&bodies, &content, false, ID);
    fs::write(path(&bodies, &kept), [&content[CHUNK..], &content[..CHUNK]].concat()).expect("it writes");
    assert!(is_damage(&read(&bodies, &kept, ID)));
    let rows = &kept.table[1..];
    let table = [&kept.table[..1], &rows[12..], &rows[..12]].concat();
    assert!(is_damage(&read(&bodies, &StoredBody { table, ..kept }, ID)));
}

#[test]
fn a_directory_in_the_place_of_a_file_is_an_error() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, b"content", false, ID);
    let path = path(&bodies, &kept);
    fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).expect("replaced");
    assert!(read(&bodies, &kept, ID).is_err());
}

proptest! {
    #[test]
    fn no_table_and_no_file_makes_it_panic(
        rows in proptest::collection::vec(any::<[u8; 12]>(), 0..4),
        rest in proptest::collection::vec(any::<u8>(), 0..12),
        version in 0u8..3,
        small in any::<bool>(),
        len in prop_oneof![any::<u64>(), 0..1_000u64, 0..4 * CHUNK as u64],
        file in proptest::collection::vec(any::<u8>(), 0..1_000),
    ) {
        let (_parent, bodies) = bodies();
        let kept = keep(&bodies, b"content", false, ID);
        fs::write(path(&bodies, &kept), &file).expect("it writes");
        let mut table = vec![version];
        for mut row in rows {
            // Lengths that may fit the file, and any.
            if small {
                row[2] = 0;
                row[3] &= 0x80;
            }
            table.extend_from_slice(&row);
        }
        table.extend_from_slice(&rest);
        let other = StoredBody { table, len, ..kept };
        if let Ok(reader) = bodies.reader(&other.name, &other.table, other.len, ID) {
            let read: Vec<_> = (0..5).map(|number| reader.chunk(number)).collect();
            prop_assert!(len == 0 || read.iter().any(Result::is_err));
        }
    }
}
