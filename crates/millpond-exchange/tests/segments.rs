//! Content in segments: every form of it gives the same bytes.

use bytes::Bytes;
use millpond_exchange::{Holder, Segments};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;

struct Kept(Option<Segments>);

impl Holder for Kept {
    fn content(&self) -> Option<&Segments> {
        self.0.as_ref()
    }
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..10), 0..5)
}

fn part(all: &[u8], range: &Range<u64>) -> Vec<u8> {
    let at = |offset: u64| (offset as usize).min(all.len());
    all[at(range.start)..at(range.end).max(at(range.start))].to_vec()
}

fn check(content: &Segments, wanted: &[u8]) {
    assert_eq!(content.to_vec(), wanted);
    assert_eq!((content.len(), content.is_empty()), (wanted.len() as u64, wanted.is_empty()));
    assert_eq!(content.iter().collect::<Vec<_>>().concat(), wanted);
    assert!(content.iter().all(|piece| !piece.is_empty()));
    assert!(content.slices().eq(content.iter()));
}

proptest! {
    #[test]
    fn every_form_gives_the_same_bytes(pieces in pieces(), a in 0_u64..60, b in 0_u64..60, c in 0_u64..60, d in any::<u64>()) {
        let all = pieces.concat();
        let list: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
        let many = Segments::new(list);
        let held = Segments::held(Arc::new(Kept(Some(many.clone()))));
        let part_held = Segments::held(Arc::new(Kept(Some(many.slice(a..b)))));
        check(&part_held, &part(&all, &(a..b)));
        for form in [many, held, Segments::from(Bytes::from(all.clone()))] {
            check(&form, &all);
            check(&form.slice(a..b), &part(&all, &(a..b)));
            check(&form.slice(a..b).slice(c..d), &part(&part(&all, &(a..b)), &(c..d)));
        }
    }
}

#[test]
fn nothing_is_nothing_in_every_form() {
    check(&Segments::default(), b"");
    check(&Segments::held(Arc::new(Kept(None))), b"");
    check(&Segments::held(Arc::new(Kept(None))).slice(1..2), b"");
}
