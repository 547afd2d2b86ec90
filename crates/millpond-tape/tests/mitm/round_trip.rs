//! What is written comes back.

use crate::fixtures::pretty_eq;
use crate::{exchanges, made, shown, written};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_comes_back(tape in proptest::collection::vec(made::exchange(), 0..4)) {
        let again = exchanges(written(&tape)).unwrap();
        prop_assert_eq!(again.len(), tape.len());
        for (before, after) in tape.iter().zip(&again) {
            pretty_eq(&shown::flow(after), &shown::flow(before));
            prop_assert_eq!((after.aborted, &after.timing), (before.aborted, &before.timing));
            prop_assert_eq!(&after.client, &before.client);
            prop_assert_eq!(&after.server, &before.server);
        }
    }
}
