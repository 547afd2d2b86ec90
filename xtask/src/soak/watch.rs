//! The figures over time, and whether they grow.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::Spread;
use crate::target::Figures;

/// How much more memory the last quarter may take than the second: a tenth, for what comes and goes, and some pages.
const MEMORY_SHARE: f64 = 1.10;
const MEMORY_SLACK: f64 = 8.0 * 1024.0 * 1024.0;

/// How many more descriptors the last quarter may have than the second: clients come and go.
const DESCRIPTOR_SLACK: f64 = 16.0;

/// The fewest readings in a quarter that have a median worth the name.
const LEAST_READINGS: usize = 10;

/// The readings of a run.
pub struct Watch {
    time: Duration,
    readings: Vec<(Duration, Figures)>,
}

impl Watch {
    /// None yet, of a run of this length.
    pub fn new(time: Duration) -> Self {
        Self { time, readings: Vec::new() }
    }

    /// Adds a reading, so long after the beginning.
    pub fn add(&mut self, at: Duration, figures: Figures) {
        self.readings.push((at, figures));
    }

    /// The median of a figure in a quarter, counted from 0.
    fn median(&self, quarter: u32, of: fn(&Figures) -> f64) -> Result<f64> {
        let within = |at: Duration| at >= self.time * quarter / 4 && at < self.time * (quarter + 1) / 4;
        let values: Vec<f64> =
            self.readings.iter().filter(|(at, _)| within(*at)).map(|(_, figures)| of(figures)).collect();
        let enough = values.len() >= LEAST_READINGS;
        let spread = Spread::of(values).filter(|_| enough);
        Ok(spread.with_context(|| format!("quarter {} has too few readings", quarter + 1))?.median)
    }

    /// Prints the medians of the quarters.
    pub fn print(&self) {
        println!(
            "{:<10} {:>14} {:>12} {:>12}   medians",
            "quarter", "resident MiB", "descriptors", "connections"
        );
        for quarter in 0..4 {
            let figures = [
                self.median(quarter, |figures| figures.resident as f64 / f64::from(1 << 20)),
                self.median(quarter, |figures| figures.descriptors as f64),
                self.median(quarter, |figures| figures.connections as f64),
            ];
            if let [Ok(resident), Ok(descriptors), Ok(connections)] = figures {
                println!("{:<10} {resident:>14.1} {descriptors:>12.0} {connections:>12.0}", quarter + 1);
            }
        }
    }

    /// What has grown.
    pub fn faults(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let resident = |figures: &Figures| figures.resident as f64;
        let (second, last) = (self.median(1, resident)?, self.median(3, resident)?);
        let most = second * MEMORY_SHARE + MEMORY_SLACK;
        println!(
            "memory: {} in the second quarter, {} in the last, at most {}",
            mib(second),
            mib(last),
            mib(most)
        );
        if last > most {
            faults.push(format!("memory grows: {}, over {}", mib(last), mib(most)));
        }
        let descriptors = |figures: &Figures| figures.descriptors as f64;
        let (second, last) = (self.median(1, descriptors)?, self.median(3, descriptors)?);
        let most = second + DESCRIPTOR_SLACK;
        println!("descriptors: {second:.0} in the second quarter, {last:.0} in the last, at most {most:.0}");
        if last > most {
            faults.push(format!("descriptors grow: {last:.0}, over {most:.0}"));
        }
        Ok(faults)
    }
}

fn mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A hundred seconds, with the memory and the descriptors at each.
    fn watch(of: impl Fn(u64) -> (u64, usize)) -> Watch {
        let mut watch = Watch::new(Duration::from_secs(100));
        for second in 0..100 {
            let (resident, descriptors) = of(second);
            watch.add(
                Duration::from_secs(second),
                Figures { resident, descriptors, connections: 1, queued: 0 },
            );
        }
        watch
    }

    #[test]
    fn a_warm_up_and_a_peak_are_no_growth() {
        let warm_up = watch(|second| ((20 + second.min(25) * 4) * MIB, 30));
        assert_eq!(warm_up.faults().unwrap(), [""; 0]);
        let peak = watch(|second| (if second == 90 { 900 * MIB } else { 100 * MIB }, 30));
        assert_eq!(peak.faults().unwrap(), [""; 0]);
    }

    #[test]
    fn steady_growth_is_found() {
        let memory = watch(|second| ((100 + second) * MIB, 30));
        assert_eq!(memory.faults().unwrap().len(), 1, "from 137 to 187 MiB");
        let descriptors = watch(|second| (100 * MIB, 30 + second as usize));
        assert_eq!(descriptors.faults().unwrap().len(), 1, "from 67 to 117");
    }

    #[test]
    fn a_run_cut_short_is_no_success() {
        let mut watch = Watch::new(Duration::from_secs(100));
        watch.add(Duration::from_secs(30), Figures::default());
        assert!(watch.faults().is_err());
    }
}
