//! Medians with their spread, and how far a ratio can be trusted.

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

/// The ratio of pairs of measurements, and where it lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean: that of the inverse ratio is its inverse.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many pairs it rests on.
    pub pairs: usize,
}

impl Ratio {
    /// By Student's t of the logarithms, since ratios multiply: what disturbs one of a pair by a tenth does so up or down.
    /// `None` with fewer than two pairs, which have no spread.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let logs: Vec<f64> = pairs.iter().map(|(one, other)| (one / other).ln()).collect();
        let count = logs.len();
        if count < 2 || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let mean = logs.iter().sum::<f64>() / count as f64;
        let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        let error = (squares / (count - 1) as f64 / count as f64).sqrt();
        let reach = student(count - 1) * error;
        Some(Self { mean: mean.exp(), low: (mean - reach).exp(), high: (mean + reach).exp(), pairs: count })
    }

    /// True where the whole interval lies below one.
    pub fn is_below_one(&self) -> bool {
        self.high < 1.0
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} [{:.2}, {:.2}]", self.mean, self.low, self.high)
    }
}

/// The 97.5 % quantile of Student's t.
fn student(degrees: usize) -> f64 {
    const FEW: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    /// The same of the normal distribution, which it comes close to.
    const NORMAL: f64 = 1.959_964;
    if let Some(quantile) = degrees.checked_sub(1).and_then(|index| FEW.get(index)) {
        return *quantile;
    }
    // The first terms of the expansion of Cornish and Fisher: right to two thousandths from eleven degrees on.
    let (z, n) = (NORMAL, degrees as f64);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + (z.powi(3) + z) / 4.0 / n + second / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        for (degrees, expected) in
            [(1, 12.706), (10, 2.228), (11, 2.201), (14, 2.145), (30, 2.042), (120, 1.980)]
        {
            let quantile = student(degrees);
            assert!((quantile - expected).abs() < 0.0025, "{degrees}: {quantile}");
        }
    }

    #[test]
    fn pairs_that_agree_leave_no_doubt() {
        let ratio = Ratio::of(&[(1.0, 2.0), (10.0, 20.0), (3.0, 6.0)]).unwrap();
        assert_eq!(ratio.to_string(), "0.50 [0.50, 0.50]");
        assert!(ratio.is_below_one());
    }

    #[test]
    fn the_interval_is_that_of_the_logarithms() {
        // Logarithms of e, 1 and 1/e: mean 0, deviation 1, error 1/√3, reach 4.303/√3.
        let e = std::f64::consts::E;
        let ratio = Ratio::of(&[(e, 1.0), (1.0, 1.0), (1.0, e)]).unwrap();
        let reach = 4.303 / 3f64.sqrt();
        assert!((ratio.mean - 1.0).abs() < 1e-9);
        assert!((ratio.high.ln() - reach).abs() < 1e-9 && (ratio.low.ln() + reach).abs() < 1e-9);
        assert!(!ratio.is_below_one());
    }

    #[test]
    fn one_pair_says_nothing_about_the_next() {
        assert_eq!(Ratio::of(&[(1.0, 2.0)]), None);
        assert_eq!(Ratio::of(&[(1.0, 2.0), (0.0, 1.0)]), None);
    }
}
