//! The evictor beside others, on traces: what matters of it is how many requests find what they ask for.

mod models;
mod traces;

use super::*;
use models::{Cache, Driven, Fifo, Lru, Textbook, TwoTiers, hit_ratio, ratio_of};
use traces::Trace;

/// Bytes of the store, as a part of what the trace asks for in all.
const PARTS: [u64; 2] = [10, 40];

/// Ratios of driven evictor, textbook S3-FIFO, LRU and FIFO on `trace`.
fn compare(name: &str, trace: &Trace, part: u64) -> [f64; 4] {
    let bytes = trace.footprint() / part;
    let mut caches: [Box<dyn Cache>; 4] = [
        Box::new(Driven::new(bytes)),
        Box::new(Textbook::new(bytes)),
        Box::new(Lru::new(bytes)),
        Box::new(Fifo::new(bytes)),
    ];
    let ratios = caches.each_mut().map(|cache| hit_ratio(&mut **cache, trace));
    let [ours, textbook, lru, fifo] = ratios.map(|ratio| 100.0 * ratio);
    println!("{name:>28} 1/{part}: ours {ours:.1} textbook {textbook:.1} LRU {lru:.1} FIFO {fifo:.1}");
    ratios
}

#[test]
fn finds_more_than_lru_and_as_much_as_the_textbook() {
    for exponent in [0.8, 1.0] {
        for (scans, sizes) in [(false, false), (false, true), (true, false), (true, true)] {
            let name = format!("zipf {exponent}, scans {scans}, sizes {sizes}");
            let trace = Trace::zipf(10_000, 100_000, exponent, scans, sizes);
            for part in PARTS {
                let [ours, textbook, lru, fifo] = compare(&name, &trace, part);
                let margin = if scans { 0.03 } else { 0.02 };
                assert!(ours >= lru + margin, "{name} 1/{part}: LRU finds {lru}, we {ours}");
                assert!(ours >= fifo + margin, "{name} 1/{part}: FIFO finds {fifo}, we {ours}");
                assert!((ours - textbook).abs() <= 0.01, "{name} 1/{part}: {ours} beside {textbook}");
            }
        }
    }
}

/// With a memory tier above, what is used most is never asked for below. Told of it, the store keeps it for the time after
/// a restart. That costs the places of what lies in both tiers, and no more.
#[test]
fn what_is_in_use_above_is_still_there_after_a_restart() {
    for (exponent, scans) in [(0.8, false), (0.8, true), (1.0, false), (1.0, true)] {
        let trace = Trace::zipf(10_000, 100_000, exponent, scans, false);
        let bytes = trace.footprint() / 10;
        let run = |cache: &mut dyn Cache| {
            let before = hit_ratio(cache, &trace);
            cache.restart();
            [before, ratio_of(cache, &trace.requests[..3_000])]
        };
        let told = run(&mut TwoTiers::new(bytes / 4, Driven::new(bytes), true));
        let untold = run(&mut TwoTiers::new(bytes / 4, Driven::new(bytes), false));
        let lru = run(&mut TwoTiers::new(bytes / 4, Lru::new(bytes), false));
        println!(
            "zipf {exponent}, scans {scans}, before and after: told {told:.3?} untold {untold:.3?} LRU {lru:.3?}"
        );
        assert!(told[1] >= untold[1] + 0.02, "zipf {exponent}: {told:?} beside {untold:?}");
        assert!(told[0] >= untold[0] - 0.02, "zipf {exponent}: {told:?} beside {untold:?}");
        assert!(told[0] >= lru[0], "zipf {exponent}: {told:?} beside {lru:?}");
    }
}

/// When nearly everything is used all the time, an eviction still looks at few rows.
#[test]
fn evicting_writes_few_rows_however_much_is_used() {
    let mut evictor = Evictor::new();
    for id in 0..10_000 {
        (0..5).for_each(|_| evictor.used(id));
    }
    for round in 0..20 {
        let first = (0..10_000)
            .map(|at| (round * 400 + at) % 10_000)
            .position(|id| evictor.judge(id, id, Queue::Main, true) == Verdict::Evict);
        assert!(first.is_some_and(|moved| moved <= 3 * PATIENCE as usize), "{first:?}");
    }
}

#[test]
fn probation_keeps_what_was_used_twice_or_is_used_above() {
    let mut evictor = Evictor::new();
    evictor.holds(10);
    evictor.used(2);
    for _ in 0..2 {
        evictor.used(3);
    }
    assert_eq!(evictor.judge(1, 101, Queue::Probation, false), Verdict::Evict);
    assert_eq!(evictor.judge(2, 102, Queue::Probation, false), Verdict::Evict);
    assert_eq!(evictor.judge(3, 103, Queue::Probation, false), Verdict::Move(Queue::Main));
    assert_eq!(evictor.judge(4, 104, Queue::Probation, true), Verdict::Move(Queue::Main));
    assert_eq!(evictor.place(101), Queue::Main, "it came back");
    assert_eq!(evictor.place(101), Queue::Probation, "remembered once");
    assert_eq!(evictor.place(103), Queue::Probation);
}

#[test]
fn the_main_queue_goes_round_once_for_each_use() {
    let mut evictor = Evictor::new();
    evictor.holds(10);
    for _ in 0..9 {
        evictor.used(1);
    }
    for _ in 0..3 {
        assert_eq!(evictor.judge(1, 101, Queue::Main, false), Verdict::Move(Queue::Main));
    }
    assert_eq!(evictor.judge(1, 101, Queue::Main, true), Verdict::Move(Queue::Main), "in use above");
    assert_eq!(evictor.judge(1, 101, Queue::Main, false), Verdict::Evict);
    assert_eq!(evictor.place(101), Queue::Probation, "those of the main queue had their chance");
}

#[test]
fn a_replacement_has_the_uses_of_what_it_replaces_and_one_more() {
    let mut evictor = Evictor::new();
    evictor.used(1);
    evictor.replaced(1, 2);
    assert_eq!(evictor.judge(2, 7, Queue::Probation, false), Verdict::Move(Queue::Main));
    assert_eq!(evictor.judge(1, 7, Queue::Probation, false), Verdict::Evict);
    (0..2).for_each(|_| evictor.used(3));
    evictor.gone(3);
    assert_eq!(evictor.judge(3, 7, Queue::Probation, false), Verdict::Evict);
}

#[test]
fn evicts_from_probation_while_it_has_more_than_its_tenth() {
    let evictor = Evictor::new();
    assert_eq!(evictor.next(11, 89), Queue::Probation);
    assert_eq!(evictor.next(10, 90), Queue::Main);
    assert_eq!(evictor.next(0, 90), Queue::Main);
    assert_eq!(evictor.next(1, 0), Queue::Probation);
}
