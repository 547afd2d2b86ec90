//! Bytes that claim to hold much must not make the decoder reserve much. Alone in its process: allocations of other tests
//! would be counted.

use millpond_store::codec::{VERSION, decode};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated to decode `bytes`. The counter sees the thread that runs the tests too: the least of several times counts.
fn allocated(bytes: &[u8]) -> usize {
    let once = |_| {
        let region = Region::new(ALLOCATOR);
        drop(decode(bytes));
        region.change().bytes_allocated
    };
    (0..3).map(once).min().unwrap_or_default()
}

#[test]
fn memory_follows_what_is_there_and_not_what_it_says() {
    const MANY: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let line = |number: u8| [number, 0];
    // Status 200, then a count of fields with nothing, little, or the shortest lines there are behind it.
    let head = [VERSION, 0, 0xc8, 1];
    assert_eq!(allocated(&[&head[..], &MANY].concat()), 0);
    assert_eq!(allocated(&[&head[..], &MANY, &[0; 100]].concat()), 0);
    let mut lines = [&head[..], &[0x90, 0x4e]].concat();
    lines.extend((0..10_000).flat_map(|_| line(41)));
    let taken = allocated(&lines);
    assert!((lines.len()..=64 * lines.len()).contains(&taken), "{taken} bytes for {}", lines.len());
    // No fields, no flags, times, and a count of tags.
    let record = [&[VERSION, 0x80, 0x04, 0xc8, 1, 0, 0, 0, 0, 0][..], &MANY].concat();
    assert_eq!(allocated(&[&record[..], &[0; 100]].concat()), 0);
}
