//! The figures: medians, ratios of the same round, their spread.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::servers::Kind;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Counted from 0.
    pub round: usize,
    /// The server measured.
    pub server: Kind,
    /// What was asked for.
    pub case: &'static str,
    /// Requests answered.
    pub requests: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// CPU microseconds for each request.
    pub cpu_us: f64,
    /// The part of its core that was used.
    pub busy: f64,
}

/// What is asked for: a table of its own.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, as samples bear it.
    pub name: &'static str,
    /// What stands over its table.
    pub title: &'static str,
}

/// All measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    seconds: u64,
    connections: usize,
    samples: Vec<Sample>,
}

/// The middle of some values, and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The value in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// `None` without a value.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), least, most })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}..{:.2})", self.median, self.least, self.most)
    }
}

impl Report {
    /// An empty one.
    pub fn new(seconds: u64, connections: usize) -> Self {
        Self { seconds, connections, samples: Vec::new() }
    }

    /// Adds a measurement.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Writes every measurement as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
    }

    /// Prints a table for every case.
    pub fn print(&self, cases: &[Case], kinds: &[Kind]) {
        println!(
            "CPU microseconds for each request: median (least..most) of the rounds; {} s, {} connections",
            self.seconds, self.connections
        );
        for case in cases {
            println!("\n{}", case.title);
            println!("{:<10} {:>28} {:>12} {:>6}   millpond/this", "", "us for each", "requests/s", "busy");
            for &kind in kinds {
                self.print_line(case.name, kind);
            }
            if let Some((best, ratio)) = self.best_peer(case.name) {
                println!("beside the best peer, {}: {ratio}", best.name());
            }
        }
    }

    fn print_line(&self, case: &str, kind: Kind) {
        let values = |of: fn(&Sample) -> f64| Spread::of(self.of(case, kind).map(of).collect());
        let (Some(cpu), Some(rate), Some(busy)) = (
            values(|sample| sample.cpu_us),
            values(|sample| sample.requests as f64 / sample.seconds),
            values(|sample| sample.busy),
        ) else {
            return;
        };
        let ratio = match self.ratio(case, kind) {
            Some(ratio) if kind != Kind::Millpond => ratio.to_string(),
            _ => String::new(),
        };
        let (rate, busy) = (rate.median, busy.median * 100.0);
        println!("{:<10} {:>28} {rate:>12.0} {busy:>4.0} %   {ratio}", kind.name(), cpu.to_string());
    }

    fn of(&self, case: &str, kind: Kind) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.server == kind)
    }

    /// Millpond's time over this server's, round by round.
    fn ratio(&self, case: &str, kind: Kind) -> Option<Spread> {
        let pairs = self.of(case, kind).filter_map(|theirs| {
            let ours = self.of(case, Kind::Millpond).find(|ours| ours.round == theirs.round)?;
            Some(ours.cpu_us / theirs.cpu_us)
        });
        Spread::of(pairs.collect())
    }

    /// The peer with the lowest median, and millpond's ratio to it.
    fn best_peer(&self, case: &str) -> Option<(Kind, Spread)> {
        let median = |kind| Some(Spread::of(self.of(case, kind).map(|s| s.cpu_us).collect())?.median);
        let best = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_peer())
            .filter_map(|kind| Some((kind, median(kind)?)))
            .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some((best.0, self.ratio(case, best.0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(samples: &[(usize, Kind, f64)]) -> Report {
        let mut report = Report::new(1, 1);
        for &(round, server, cpu_us) in samples {
            report.add(Sample { round, server, case: "1k", requests: 1, seconds: 1.0, cpu_us, busy: 1.0 });
        }
        report
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let report = report(&[
            (0, Kind::Millpond, 1.0),
            (0, Kind::Nginx, 2.0),
            (1, Kind::Millpond, 10.0),
            (1, Kind::Nginx, 20.0),
        ]);
        assert_eq!(report.ratio("1k", Kind::Nginx).unwrap().to_string(), "0.50 (0.50..0.50)");
    }

    #[test]
    fn the_best_peer_is_a_product() {
        let report = report(&[
            (0, Kind::Millpond, 8.0),
            (0, Kind::Bare, 4.0),
            (0, Kind::Nginx, 16.0),
            (0, Kind::Haproxy, 10.0),
        ]);
        let (best, ratio) = report.best_peer("1k").unwrap();
        assert_eq!((best, ratio.to_string().as_str()), (Kind::Haproxy, "0.80 (0.80..0.80)"));
    }
}
