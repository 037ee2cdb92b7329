//! What nearly all recordings have in common that no two recordings of speech have by chance: their length, or their
//! peak. It tells that a corpus was processed: cut and padded, or normalised.

use crate::doctor::dbfs;
use crate::doctor::recording::Sound;

/// Of fewer recordings nothing is said.
const FEWEST: usize = 10;

/// So many of all, in percent, must agree: a few may have been added later.
const SHARE_PERCENT: usize = 95;

/// Lengths agree within a millisecond, since resampling rounds them to whole samples.
const SAME_LENGTH_S: f64 = 0.001;

/// Peaks agree within a hundredth of a decibel to either side: rounding to 16 bits moves the peak of a normalised
/// recording by less than 0.001 dB, while those of speech differ by several dB.
const SAME_PEAK_DB: f64 = 0.02;

/// A value that nearly all have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shared {
    pub(super) value: f64,
    /// Those that have it, in order.
    pub(super) indices: Vec<usize>,
    /// Among how many.
    pub(super) of: usize,
}

/// The length in seconds that nearly all have.
pub(super) fn shared_length(sounds: &[(usize, &Sound)]) -> Option<Shared> {
    shared(sounds.iter().map(|(index, sound)| (*index, sound.recording.duration_s())), SAME_LENGTH_S)
}

/// The peak in dB relative to full scale that nearly all have.
pub(super) fn shared_peak(sounds: &[(usize, &Sound)]) -> Option<Shared> {
    shared(sounds.iter().map(|(index, sound)| (*index, dbfs(sound.levels.peak))), SAME_PEAK_DB)
}

/// The interval of this `width` that holds the most values, if those are nearly all.
fn shared(values: impl Iterator<Item = (usize, f64)>, width: f64) -> Option<Shared> {
    let mut values: Vec<(usize, f64)> = values.collect();
    let of = values.len();
    values.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let reach = |first: f64| values.partition_point(|(_, value)| *value <= first + width);
    let members = (0..of)
        .filter_map(|from| values.get(from..reach(values.get(from)?.1)))
        .max_by_key(|members| members.len())?;
    if of < FEWEST || members.len() * 100 < of * SHARE_PERCENT {
        return None;
    }
    let (_, value) = *members.get(members.len() / 2)?;
    let mut indices: Vec<usize> = members.iter().map(|(index, _)| *index).collect();
    indices.sort_unstable();
    Some(Shared { value, indices, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Option<Shared> {
        shared(values.iter().copied().enumerate(), 0.001)
    }

    #[test]
    fn nineteen_of_twenty_are_nearly_all_and_eighteen_are_not() {
        let mut values = [2.0; 20];
        values[3] = 2.5;
        let found = of(&values).unwrap();
        assert_eq!((found.value, found.indices.len(), found.of), (2.0, 19, 20));
        assert!(!found.indices.contains(&3));
        values[4] = 1.5;
        assert_eq!(of(&values), None);
    }

    #[test]
    fn a_sample_more_or_less_is_the_same_length_and_of_few_nothing_is_said() {
        let values: Vec<f64> = (0..12).map(|n| 2.0 + f64::from(n % 3) / 48_000.0).collect();
        assert_eq!(of(&values).unwrap().indices.len(), 12);
        assert_eq!(of(&[2.0; 9]), None);
        assert_eq!(of(&[]), None);
        let spread: Vec<f64> = (0..100).map(|n| f64::from(n) / 100.0).collect();
        assert_eq!(of(&spread), None);
    }
}
