//! The figures: what was measured, ratios of the same round, tables.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::servers::Kind;
use super::statistics::{Ratio, Spread};

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
    /// CPU microseconds of the whole machine for each request: load, origin and kernel included.
    pub machine_us: f64,
}

/// What is asked for: a table of its own.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, as samples bear it.
    pub name: &'static str,
    /// What stands over its table.
    pub title: &'static str,
}

/// What a server takes before its first request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Start {
    /// The server.
    pub server: Kind,
    /// What is resident of each of its processes (VmRSS), in sum, bytes: what they share counts for each.
    pub resident: u64,
    /// The same (Pss) with what is shared divided among all programs that have it mapped, bytes: it falls when another
    /// one starts.
    pub proportional: u64,
}

impl Start {
    /// Both, MiB.
    pub fn mib(&self) -> [f64; 2] {
        [self.resident, self.proportional].map(|bytes| bytes as f64 / f64::from(1 << 20))
    }
}

/// All measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    seconds: u64,
    connections: usize,
    starts: Vec<Start>,
    samples: Vec<Sample>,
    /// What else was the same for all of them, in sentences.
    notes: Vec<String>,
    /// The tables, in order.
    #[serde(skip)]
    cases: Vec<Case>,
}

impl Report {
    /// An empty one.
    pub fn new(seconds: u64, connections: usize) -> Self {
        let (starts, samples, notes, cases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { seconds, connections, starts, samples, notes, cases }
    }

    /// Adds another one of the same length: its tables come behind.
    pub fn append(&mut self, other: Self) {
        self.starts.extend(other.starts);
        self.samples.extend(other.samples);
        self.notes.extend(other.notes);
        self.cases.extend(other.cases);
    }

    /// Adds what the tables do not say.
    pub fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }

    /// What the tables do not say.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds a table to come.
    pub fn add_case(&mut self, case: Case) {
        self.cases.push(case);
    }

    /// Adds what a server takes at its start.
    pub fn add_start(&mut self, start: Start) {
        self.starts.push(start);
    }

    /// Adds a measurement.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// The tables, in order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// What the servers take at their start.
    pub fn starts(&self) -> &[Start] {
        &self.starts
    }

    /// Seconds of each measurement.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Connections kept alive.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// The servers measured with a case, in their order.
    pub fn kinds(&self, case: &str) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.of(case, *kind).next().is_some()).collect()
    }

    /// Writes every measurement as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
    }

    /// Prints a table for every case.
    pub fn print(&self) {
        println!(
            "CPU microseconds for each request: median (least..most) of the rounds; {} s, {} connections",
            self.seconds, self.connections
        );
        for note in &self.notes {
            println!("{note}");
        }
        for case in &self.cases {
            println!("\n{}", case.title);
            println!(
                "{:<10} {:>28} {:>12} {:>6} {:>9}   millpond/this [95 %]",
                "", "us for each", "requests/s", "busy", "machine"
            );
            for kind in self.kinds(case.name) {
                self.print_line(case.name, kind);
            }
            if let Some(best) = self.best_peer(case.name) {
                let ratio = self.ratio(case.name, best).map_or_else(String::new, |ratio| ratio.to_string());
                println!("beside the best peer, {}: {ratio}", best.name());
            }
        }
        if !self.starts.is_empty() {
            println!("\n{:<10} {:>28} {:>12}", "at start", "MiB of RSS", "of PSS");
        }
        for start in &self.starts {
            let [resident, proportional] = start.mib();
            println!("{:<10} {resident:>28.1} {proportional:>12.1}", start.server.name());
        }
    }

    fn print_line(&self, case: &str, kind: Kind) {
        let (Some(cpu), Some(rate), Some(busy), Some(machine)) = (
            self.cpu(case, kind),
            self.rate(case, kind),
            self.spread(case, kind, |sample| sample.busy),
            self.machine(case, kind),
        ) else {
            return;
        };
        let ratio = match self.ratio(case, kind) {
            Some(ratio) if kind != Kind::Millpond => ratio.to_string(),
            _ => String::new(),
        };
        let (rate, busy, machine) = (rate.median, busy.median * 100.0, machine.median);
        println!(
            "{:<10} {:>28} {rate:>12.0} {busy:>4.0} % {machine:>9.2}   {ratio}",
            kind.name(),
            cpu.to_string()
        );
    }

    fn of(&self, case: &str, kind: Kind) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.server == kind)
    }

    /// CPU microseconds for each request.
    pub fn cpu(&self, case: &str, kind: Kind) -> Option<Spread> {
        self.spread(case, kind, |sample| sample.cpu_us)
    }

    /// CPU microseconds of the whole machine for each request.
    pub fn machine(&self, case: &str, kind: Kind) -> Option<Spread> {
        self.spread(case, kind, |sample| sample.machine_us)
    }

    /// Requests a second.
    pub fn rate(&self, case: &str, kind: Kind) -> Option<Spread> {
        self.spread(case, kind, |sample| sample.requests as f64 / sample.seconds)
    }

    fn spread(&self, case: &str, kind: Kind, of: fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.of(case, kind).map(of).collect())
    }

    /// Millpond's time over this server's, round by round.
    pub fn ratio(&self, case: &str, kind: Kind) -> Option<Ratio> {
        let pair = |theirs: &Sample| {
            let ours = self.of(case, Kind::Millpond).find(|ours| ours.round == theirs.round)?;
            Some((ours.cpu_us, theirs.cpu_us))
        };
        Ratio::of(&self.of(case, kind).filter_map(pair).collect::<Vec<_>>())
    }

    /// The peer with the lowest median.
    fn best_peer(&self, case: &str) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_peer())
            .filter_map(|kind| Some((kind, self.cpu(case, kind)?.median)))
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(kind, _)| kind)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A report with these samples of one case.
    pub fn report(samples: &[(usize, Kind, f64)]) -> Report {
        let mut report = Report::new(1, 1);
        report.add_case(Case { name: "1k", title: "hits of 1 KiB" });
        for &(round, server, cpu_us) in samples {
            let machine_us = cpu_us * 2.0;
            report.add(Sample {
                round,
                server,
                case: "1k",
                requests: 1,
                seconds: 1.0,
                cpu_us,
                busy: 1.0,
                machine_us,
            });
        }
        report
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let report = report(&[
            (0, Kind::Millpond, 1.0),
            (0, Kind::Nginx, 2.0),
            (1, Kind::Millpond, 10.0),
            (1, Kind::Nginx, 20.0),
        ]);
        assert_eq!(report.ratio("1k", Kind::Nginx).unwrap().to_string(), "0.50 [0.50, 0.50]");
        assert_eq!(report.ratio("1k", Kind::Haproxy), None);
    }

    #[test]
    fn the_best_peer_is_a_product() {
        let report = report(&[
            (0, Kind::Millpond, 8.0),
            (0, Kind::Bare, 4.0),
            (0, Kind::Nginx, 16.0),
            (0, Kind::Haproxy, 10.0),
        ]);
        assert_eq!(report.best_peer("1k"), Some(Kind::Haproxy));
        assert_eq!(report.kinds("1k").len(), 4);
    }
}
