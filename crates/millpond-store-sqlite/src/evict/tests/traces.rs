//! Requests as they come to a cache: by Zipf's law, with or without scans between them.

/// A small generator of numbers, so that every run is the same run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number in `0..1`.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Keys and sizes in the order in which they are asked for.
pub(super) struct Trace {
    pub(super) requests: Vec<(u64, u64)>,
    footprint: u64,
}

impl Trace {
    /// `count` requests for `objects` objects. With `scans`, every 10,000 requests 2,000 follow for things nobody asks
    /// for before or after. With `sizes` they are 1 to 64 units large, else one.
    pub(super) fn zipf(objects: usize, count: usize, exponent: f64, scans: bool, sizes: bool) -> Self {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut sum = 0.0;
        let cumulative: Vec<f64> = (1..=objects)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        // Sizes follow the key, and not its rank.
        let size = |key: u64| {
            if sizes { 1 << ((key.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % 7) } else { 1 }
        };
        let mut requests = Vec::new();
        let mut once = 1_000_000;
        for at in 0..count {
            let wanted = numbers.part() * sum;
            let key = cumulative.partition_point(|sum| *sum < wanted) as u64;
            requests.push((key, size(key)));
            if scans && at % 10_000 == 9_999 {
                requests.extend((once..once + 2_000).map(|key| (key, size(key))));
                once += 2_000;
            }
        }
        let footprint = (0..objects as u64).map(size).sum();
        Self { requests, footprint }
    }

    /// The size of all objects together, scans aside.
    pub(super) fn footprint(&self) -> u64 {
        self.footprint
    }
}
