//! Requests with the skew of real ones: the object of rank `r` is asked for in proportion to `1 / r^exponent`.

use crate::random::Random;

/// Makes ranks, 0 being the object asked for most.
pub struct Zipf {
    /// The share of all requests that the objects up to each rank have.
    shares: Vec<f64>,
    random: Random,
}

impl Zipf {
    /// A trace over this many objects.
    pub fn new(objects: usize, exponent: f64, seed: u64) -> Self {
        let mut total = 0.0;
        let mut shares: Vec<f64> = (1..=objects)
            .map(|rank| {
                total += (rank as f64).powf(-exponent);
                total
            })
            .collect();
        for share in &mut shares {
            *share /= total;
        }
        Self { shares, random: Random::new(seed) }
    }
}

impl Iterator for Zipf {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let point = self.random.unit();
        let rank = self.shares.partition_point(|share| *share <= point);
        Some(rank.min(self.shares.len() - 1))
    }
}

/// The bytes of an object: spread evenly over the orders of magnitude from `least` to `most`, the same in every run, and
/// nothing to do with how often it is asked for.
pub fn size_of_object(rank: usize, least: u64, most: u64) -> u64 {
    let unit = Random::new(rank as u64).unit();
    let (least, most) = (least as f64, most as f64);
    (least * (most / least).powf(unit)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_in_proportion_to_their_weight() {
        let mut counts = [0u32; 4];
        for rank in Zipf::new(4, 1.0, 7).take(100_000) {
            counts[rank] += 1;
        }
        // The weights are 1, 1/2, 1/3, 1/4, which add up to 25/12.
        for (rank, count) in counts.into_iter().enumerate() {
            let wanted = 100_000.0 * 12.0 / 25.0 / (rank + 1) as f64;
            assert!((f64::from(count) - wanted).abs() < 1_000.0, "rank {rank}: {count} instead of {wanted}");
        }
    }

    #[test]
    fn sizes_keep_their_bounds_and_are_mixed() {
        let sizes: Vec<u64> = (0..1_000).map(|rank| size_of_object(rank, 1 << 10, 2 << 20)).collect();
        assert!(sizes.iter().all(|size| (1 << 10..=2 << 20).contains(size)));
        let small = sizes.iter().filter(|size| **size < 45_000).count();
        assert!((400..600).contains(&small), "{small} of 1000 are below the middle of the magnitudes");
    }
}
