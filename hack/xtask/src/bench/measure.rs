//! Pure: repetitions become median, range, ratio and verdict (PERF-1, PERF-6, PERF-8).

/// A floor whose max ÷ min exceeds this makes the run noisy.
const FLOOR_SPREAD: f64 = 1.5;
/// Share of the cores that may be busy when the run starts.
const QUIET_LOAD: f64 = 0.5;
/// The only profile whose figures can pass (PERF-4).
pub(crate) const RELEASE: &str = "release";

/// All repetitions of one figure; none is dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// Adds a repetition.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle; the mean of the two middle ones for an even count; 0 without any.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => 0.0,
            (length, middle) if length % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The value that this share of the repetitions does not exceed, such as 0.95; 0 without any.
    pub(crate) fn share(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let count = |length: usize| f64::from(u32::try_from(length).unwrap_or(u32::MAX));
        let enough = share * count(sorted.len());
        (0..sorted.len()).find(|rank| count(rank + 1) >= enough).map(|rank| sorted[rank]).unwrap_or_default()
    }

    /// The smallest; 0 without any.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().min_by(f64::total_cmp).unwrap_or_default()
    }

    /// The largest; 0 without any.
    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().max_by(f64::total_cmp).unwrap_or_default()
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn is_steady(&self) -> bool {
        self.max() <= self.min() * FLOOR_SPREAD
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

/// What the table says of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The target holds.
    Pass,
    /// It does not.
    Missed,
    /// The run can say neither.
    Noisy,
}

impl Verdict {
    /// As the table and the record spell it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Missed => "missed",
            Self::Noisy => "noisy",
        }
    }
}

/// What makes a run believable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    /// Load average of the last minute at the start.
    pub(crate) load: f64,
    /// Cores of the machine.
    pub(crate) cores: usize,
    /// Profile of the program under test.
    pub(crate) profile: &'a str,
}

/// Judges a ratio that must not exceed its target.
pub(crate) fn judge(ratio: f64, target: f64, floors: &[Sample], conditions: Conditions<'_>) -> Verdict {
    let cores = f64::from(u32::try_from(conditions.cores).unwrap_or(u32::MAX));
    let is_quiet = conditions.load <= QUIET_LOAD * cores;
    match (is_quiet && floors.iter().all(Sample::is_steady), ratio <= target) {
        (false, _) => Verdict::Noisy,
        (true, false) => Verdict::Missed,
        (true, true) if conditions.profile == RELEASE => Verdict::Pass,
        (true, true) => Verdict::Noisy,
    }
}

#[cfg(test)]
mod tests {
    use super::{Conditions, RELEASE, Sample, Verdict, judge};

    const QUIET: Conditions<'_> = Conditions { load: 0.9, cores: 2, profile: RELEASE };

    fn sample(values: &[f64]) -> Sample {
        values.iter().copied().collect()
    }

    /// PERF-1: the median of all repetitions, odd and even, with the range beside it.
    #[test]
    fn a_sample_has_a_median_and_a_range() {
        let odd = sample(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median(), odd.min(), odd.max(), odd.count()), (2.0, 1.0, 3.0, 3));
        assert!((sample(&[4.0, 1.0, 2.0, 3.0]).median() - 2.5).abs() < f64::EPSILON);
        assert_eq!(Sample::default().median(), 0.0);
        assert_eq!((odd.share(0.95), odd.share(0.5), odd.share(0.1)), (3.0, 2.0, 1.0));
        assert_eq!(Sample::default().share(0.95), 0.0);
    }

    /// PERF-1, PERF-8: on a quiet machine the ratio decides, and a miss stays a miss.
    #[test]
    fn the_ratio_decides_on_a_quiet_machine() {
        let floor = [sample(&[0.2, 0.25, 0.29])];
        assert_eq!(judge(1.10, 1.10, &floor, QUIET), Verdict::Pass);
        assert_eq!(judge(1.11, 1.10, &floor, QUIET), Verdict::Missed);
    }

    /// PERF-6: load above half the cores, or a floor that swings by more than half, is noisy whatever the ratio.
    #[test]
    fn noise_is_never_a_pass() {
        let steady = [sample(&[0.2, 0.2])];
        assert_eq!(judge(0.5, 1.0, &steady, Conditions { load: 1.1, ..QUIET }), Verdict::Noisy);
        assert_eq!(judge(0.5, 1.0, &[sample(&[0.2, 0.31])], QUIET), Verdict::Noisy);
        assert_eq!(judge(2.0, 1.0, &[sample(&[0.2, 0.31])], QUIET), Verdict::Noisy);
    }

    /// PERF-4: a figure of another profile than release passes nothing.
    #[test]
    fn another_profile_passes_nothing() {
        let thin = Conditions { profile: "release-thin", ..QUIET };
        assert_eq!(judge(0.5, 1.0, &[], thin), Verdict::Noisy);
        assert_eq!(judge(1.5, 1.0, &[], thin), Verdict::Missed);
    }
}
