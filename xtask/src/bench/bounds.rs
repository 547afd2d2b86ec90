//! What the figures are held to: each bound with its reason, and whether a run met it.
//!
//! A short or disturbed run says little, so that bounds are told and decide nothing, unless asked to (`--judge`).

use std::fmt;

use anyhow::{Result, ensure};

use super::report::Report;
use super::servers::Kind;

/// The fewest pairs that a ratio is judged by.
const FEWEST_PAIRS: usize = 15;

/// All products that millpond is compared with.
const PRODUCTS: &[Kind] = &[Kind::Nginx, Kind::Haproxy, Kind::Varnish];

/// Those of them whose HTTP/2 is a measure: HAProxy's, which takes less than ours, stands in the tables beside them.
const OVER_HTTP2: &[Kind] = &[Kind::Nginx, Kind::Varnish];

/// A bound of one figure.
#[derive(Debug)]
pub struct Bound {
    /// What it is about, in words.
    pub title: &'static str,
    /// Why it is that and not another.
    pub reason: &'static str,
    figure: Figure,
    limit: Limit,
}

/// The figure that is bounded.
#[derive(Clone, Copy, Debug)]
enum Figure {
    /// In this case, the upper end of the interval of millpond's CPU over that of each of these; the highest counts.
    Upper(&'static str, &'static [Kind]),
    /// In this case, the ratio to this one itself.
    Mean(&'static str, Kind),
    /// Resident memory of millpond at its start, bytes.
    Resident,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtMost(f64),
    Below(f64),
}

const fn upper(
    title: &'static str,
    (case, of): (&'static str, &'static [Kind]),
    limit: Limit,
    reason: &'static str,
) -> Bound {
    Bound { title, reason, figure: Figure::Upper(case, of), limit }
}

const OWN_WORK: &str = "nearly all of it is the server's own work: a tenth less than the best";
const COPYING: &str = "most of it is the kernel's copying, alike for all: no more than the best";
const HTTP2: &str = "below nginx and Varnish; HAProxy takes less, as its table shows";
const BELOW_NGINX: &str = "what is stored on the way must not cost more than it does there";

/// All of them. Ratios are millpond's CPU time for each request over that of another server, in the same rounds.
pub const BOUNDS: &[Bound] = &[
    upper("hits of 1 KiB", ("1k", PRODUCTS), Limit::AtMost(0.90), OWN_WORK),
    upper("hits of 16 KiB", ("16k", PRODUCTS), Limit::AtMost(0.90), OWN_WORK),
    upper("hits of 128 KiB", ("128k", PRODUCTS), Limit::AtMost(1.0), COPYING),
    upper(
        "hits of 1 MiB",
        ("1m", PRODUCTS),
        Limit::AtMost(1.05),
        "all but a little is the kernel's copying: two runs of the same differ by a twentieth",
    ),
    Bound {
        title: "hits of 1 KiB beside the bare responder",
        reason: "a cache, its log and its counters may cost a third of answering at all",
        figure: Figure::Mean("1k", Kind::Bare),
        limit: Limit::AtMost(1.35),
    },
    upper("HTTP/2: hits of 1 KiB", ("h2-1k", OVER_HTTP2), Limit::AtMost(1.0), HTTP2),
    upper("HTTP/2: hits of 16 KiB", ("h2-16k", OVER_HTTP2), Limit::AtMost(1.0), HTTP2),
    upper("HTTP/2: hits of 128 KiB", ("h2-128k", OVER_HTTP2), Limit::AtMost(1.0), HTTP2),
    upper("HTTP/2: hits of 1 MiB", ("h2-1m", OVER_HTTP2), Limit::AtMost(1.0), HTTP2),
    upper("misses of 1 KiB", ("memory-miss", &[Kind::Nginx]), Limit::Below(1.0), BELOW_NGINX),
    upper("misses that are kept on disk", ("miss", &[Kind::Nginx]), Limit::Below(1.0), BELOW_NGINX),
    Bound {
        title: "resident memory (RSS) at start, bytes",
        reason: "small enough to stand beside every service of a machine",
        figure: Figure::Resident,
        limit: Limit::Below(25_000_000.0),
    },
];

/// What a run says about a bound.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Met,
    /// It does not.
    NotMet,
    /// There is a figure, which rests on too little.
    TooFewPairs,
    /// There is no figure: not all that it needs was measured, or once only.
    NotMeasured,
}

/// A bound and what came of it.
#[derive(Debug)]
pub struct Judgement {
    /// The bound.
    pub bound: &'static Bound,
    /// The figure, in words; empty without one.
    pub figure: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// A figure, what it is in words, and whether it can be judged.
struct Found {
    value: f64,
    words: String,
    sure: bool,
}

/// Every bound beside this report.
pub fn judge(report: &Report) -> Vec<Judgement> {
    BOUNDS.iter().map(|bound| bound.judge(report)).collect()
}

/// An error where a bound does not hold, or was measured with too few rounds to tell, or where none was measured at all.
pub fn require(judgements: &[Judgement]) -> Result<()> {
    let of = |verdicts: &[Verdict]| -> Vec<&str> {
        let found = judgements.iter().filter(|judgement| verdicts.contains(&judgement.verdict));
        found.map(|judgement| judgement.bound.title).collect()
    };
    let broken = of(&[Verdict::NotMet]);
    ensure!(broken.is_empty(), "bounds that are not met: {}", broken.join("; "));
    let unsure = of(&[Verdict::TooFewPairs]);
    ensure!(unsure.is_empty(), "measured with fewer than {FEWEST_PAIRS} pairs: {}", unsure.join("; "));
    ensure!(!of(&[Verdict::Met]).is_empty(), "no bound was measured");
    Ok(())
}

/// Prints those of which there is a figure, and how many others there are.
pub fn print(judgements: &[Judgement]) {
    println!("\n{:<42} {:>18}   figure", "bounds", "must be");
    let (missing, found): (Vec<_>, Vec<_>) =
        judgements.iter().partition(|judgement| judgement.verdict == Verdict::NotMeasured);
    for judgement in found {
        let Judgement { bound, figure, verdict } = judgement;
        println!("{:<42} {:>18}   {figure}: {verdict}", bound.title, bound.limit.to_string());
    }
    if !missing.is_empty() {
        println!("of {} of {} bounds there is no figure", missing.len(), judgements.len());
    }
}

impl Bound {
    /// What the figure must be, in words.
    pub fn limit(&self) -> String {
        self.limit.to_string()
    }

    fn judge(&'static self, report: &Report) -> Judgement {
        let (figure, verdict) = match self.figure.of(report) {
            None => (String::new(), Verdict::NotMeasured),
            Some(found) if !found.sure => (found.words, Verdict::TooFewPairs),
            Some(found) if self.limit.holds(found.value) => (found.words, Verdict::Met),
            Some(found) => (found.words, Verdict::NotMet),
        };
        Judgement { bound: self, figure, verdict }
    }
}

impl Figure {
    /// `None` where not all that it needs was measured: the best of some is not the best of all.
    fn of(self, report: &Report) -> Option<Found> {
        match self {
            Self::Upper(case, kinds) => {
                let ratios = kinds.iter().map(|kind| Some((*kind, report.ratio(case, *kind)?)));
                let ratios = ratios.collect::<Option<Vec<_>>>()?;
                let sure = ratios.iter().all(|(_, ratio)| ratio.pairs >= FEWEST_PAIRS);
                let highest =
                    ratios.into_iter().max_by(|(_, one), (_, other)| one.high.total_cmp(&other.high));
                let (kind, ratio) = highest?;
                let words = format!("{:.3} (upper end of {ratio} beside {})", ratio.high, kind.name());
                Some(Found { value: ratio.high, words, sure })
            }
            Self::Mean(case, kind) => {
                let ratio = report.ratio(case, kind)?;
                let words = format!("{:.3} (of {ratio} beside {})", ratio.mean, kind.name());
                Some(Found { value: ratio.mean, words, sure: ratio.pairs >= FEWEST_PAIRS })
            }
            Self::Resident => {
                let start = report.starts().iter().find(|start| start.server == Kind::Millpond)?;
                Some(Found { value: start.resident as f64, words: start.resident.to_string(), sure: true })
            }
        }
    }
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::Below(end) => value < end,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, value) = match self {
            Self::AtMost(most) => ("at most", most),
            Self::Below(end) => ("below", end),
        };
        let digits = if *value < 10.0 { 2 } else { 0 };
        write!(f, "{words} {value:.digits$}")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met => f.write_str("met"),
            Self::NotMet => f.write_str("NOT MET"),
            Self::TooFewPairs => write!(f, "not judged: fewer than {FEWEST_PAIRS} pairs"),
            Self::NotMeasured => f.write_str("no figure"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Start;
    use super::super::report::tests::report;
    use super::*;

    /// So many rounds of hits of 1 KiB: millpond takes 9, the others what stands here.
    fn hits(rounds: usize, others: &[(Kind, f64)]) -> Report {
        let all = others.iter().chain(&[(Kind::Millpond, 9.0)]);
        let samples = (0..rounds).flat_map(|round| all.clone().map(move |(kind, cpu)| (round, *kind, *cpu)));
        report(&samples.collect::<Vec<_>>())
    }

    fn verdicts(report: &Report) -> Vec<Verdict> {
        judge(report).into_iter().map(|judgement| judgement.verdict).collect()
    }

    /// The verdict on the first bound, which is on hits of 1 KiB beside the products.
    fn first(report: &Report) -> Verdict {
        verdicts(report).swap_remove(0)
    }

    const EASY: [(Kind, f64); 3] = [(Kind::Nginx, 10.1), (Kind::Haproxy, 20.0), (Kind::Varnish, 30.0)];

    #[test]
    fn the_nearest_of_the_products_decides() {
        assert_eq!(first(&hits(15, &EASY)), Verdict::Met);
        for near in 0..EASY.len() {
            let mut others = EASY;
            others[near].1 = 9.9;
            assert_eq!(first(&hits(15, &others)), Verdict::NotMet, "{others:?}");
        }
    }

    #[test]
    fn a_product_that_was_not_measured_is_not_beaten() {
        assert_eq!(first(&hits(15, &EASY[1..])), Verdict::NotMeasured);
    }

    #[test]
    fn the_upper_end_counts_and_not_the_mean() {
        let mut samples = Vec::new();
        for round in 0..16 {
            // 0.7 and 1.0 in turn: 0.84 in the middle, and an interval up to 0.92.
            let ours = if round % 2 == 0 { 7.0 } else { 10.0 };
            samples.push((round, Kind::Millpond, ours));
            samples.extend(PRODUCTS.iter().map(|kind| (round, *kind, 10.0)));
        }
        let report = report(&samples);
        let ratio = report.ratio("1k", Kind::Nginx).unwrap();
        assert!(ratio.mean < 0.9 && ratio.high > 0.9, "{ratio}");
        assert_eq!(first(&report), Verdict::NotMet);
    }

    #[test]
    fn too_few_pairs_are_not_judged() {
        let few = hits(14, &EASY);
        assert_eq!(first(&few), Verdict::TooFewPairs);
        assert!(require(&judge(&few)).is_err());
        assert!(require(&judge(&hits(15, &EASY))).is_ok());
    }

    #[test]
    fn the_bare_responder_is_compared_by_the_ratio_itself() {
        let bare = |cpu| verdicts(&hits(15, &[(Kind::Bare, cpu)])).swap_remove(4);
        assert_eq!([bare(9.0 / 1.34), bare(9.0 / 1.36)], [Verdict::Met, Verdict::NotMet]);
    }

    #[test]
    fn memory_is_judged_by_what_is_resident() {
        let resident = |resident| {
            let mut report = report(&[]);
            report.add_start(Start { server: Kind::Millpond, resident, proportional: 1 });
            verdicts(&report).pop()
        };
        assert_eq!(resident(24_999_999), Some(Verdict::Met));
        assert_eq!(resident(25_000_000), Some(Verdict::NotMet));
    }

    #[test]
    fn a_broken_bound_is_an_error_only_where_it_is_asked_for() {
        let mut others = EASY;
        others[2].1 = 9.0;
        let judgements = judge(&hits(15, &others));
        let error = require(&judgements).unwrap_err().to_string();
        assert_eq!(error, "bounds that are not met: hits of 1 KiB");
        assert!(require(&judge(&report(&[]))).is_err(), "nothing was measured");
    }

    #[test]
    fn every_bound_is_of_a_case_that_is_measured() {
        let mut cases = super::super::case_names();
        cases.push("");
        for bound in BOUNDS {
            let case = match bound.figure {
                Figure::Upper(case, _) | Figure::Mean(case, _) => case,
                Figure::Resident => "",
            };
            assert!(cases.contains(&case), "{bound:?}");
            assert!(bound.reason.len() > 20, "{bound:?}");
        }
    }
}
