//! Hosts whose clients do not accept our certificates.

use millpond_intercept::{RefusalLimits, Refusals, Remembered};
use std::time::{Duration, Instant};

#[test]
fn three_in_a_row_leave_a_host_closed_for_a_while() {
    let refusals = Refusals::default();
    let now = Instant::now();
    assert!(!refusals.should_tunnel("a.example", now));
    assert_eq!(refusals.note_refused("a.example", now), Remembered::First);
    assert_eq!(refusals.note_refused("A.example.", now), Remembered::Again(2));
    assert!(!refusals.should_tunnel("a.example", now));
    assert_eq!(refusals.note_refused("a.example", now), Remembered::TunnelFrom);
    assert!(refusals.should_tunnel("A.EXAMPLE", now));
    assert!(!refusals.should_tunnel("b.example", now));
    assert_eq!(refusals.list(), [("a.example".into(), 3)]);
    // Then it is tried again, and one more refusal soon after is enough.
    let later = now + RefusalLimits::default().tunnel_for;
    assert!(!refusals.should_tunnel("a.example", later));
    assert_eq!(refusals.note_refused("a.example", later), Remembered::TunnelAgain);
    assert!(refusals.should_tunnel("a.example", later));
}

#[test]
fn refusals_of_long_ago_do_not_count() {
    let refusals = Refusals::default();
    let limits = RefusalLimits::default();
    let mut now = Instant::now();
    for _ in 0..10 {
        assert_eq!(refusals.note_refused("a.example", now), Remembered::First);
        assert_eq!(refusals.note_refused("a.example", now), Remembered::Again(2));
        now += limits.within;
        assert!(!refusals.should_tunnel("a.example", now));
    }
    for step in [Remembered::First, Remembered::Again(2), Remembered::TunnelFrom] {
        assert_eq!(refusals.note_refused("a.example", now), step);
        now += limits.within / 3;
    }
    // Long after the host was tunnelled it begins anew.
    now += limits.tunnel_for + limits.within;
    assert_eq!(refusals.note_refused("a.example", now), Remembered::First);
    assert!(!refusals.should_tunnel("a.example", now));
}

#[test]
fn a_client_that_accepts_ends_the_row() {
    let refusals = Refusals::default();
    let now = Instant::now();
    for _ in 0..10 {
        assert_eq!(refusals.note_refused("a.example", now), Remembered::First);
        refusals.note_refused("a.example", now);
        refusals.note_accepted("a.EXAMPLE");
        assert!(!refusals.should_tunnel("a.example", now));
    }
    assert_eq!(refusals.list(), []);
}

#[test]
fn a_bounded_number_of_hosts_is_remembered() {
    let refusals = Refusals::new(RefusalLimits { hosts: 4, ..RefusalLimits::default() });
    let now = Instant::now();
    for host in 0..100 {
        refusals.note_refused(&format!("h{host}.example"), now + Duration::from_secs(host));
    }
    let names: Vec<_> = refusals.list().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["h96.example", "h97.example", "h98.example", "h99.example"].map(Into::into));
}
