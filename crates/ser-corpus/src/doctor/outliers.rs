//! Recordings of a length, and speakers of a level, far from all others: a whole call among utterances, a microphone that
//! was turned down.
//!
//! Both rules go by medians, so that what they look for does not move what it is measured against, and both ask for two
//! things: a difference that matters by itself, and one that is rare in this corpus. The latter is
//! [`ROBUST_DEVIATIONS`] as in Iglewicz and Hoaglin (1993), *How to Detect and Handle Outliers*: 3.5 standard
//! deviations, which are estimated as 1.4826 times the median absolute deviation.

use std::collections::BTreeMap;

use crate::doctor::recording::{Examined, Sound};
use crate::doctor::{MinMedianMax, dbfs};

/// So many standard deviations, estimated by the median absolute deviation, are rare.
const ROBUST_DEVIATIONS: f64 = 3.5;

/// Standard deviations of a normal distribution in one median absolute deviation.
const DEVIATIONS_PER_MAD: f64 = 1.4826;

/// How many times as long, or as short, as the median matters. In TESS the longest has 1.5 times the median, in RAVDESS
/// 1.4; in EMO-DB, whose sentences differ most, 3.5.
const LENGTH_RATIO: f64 = 5.0;

/// Of fewer recordings nothing is said of their lengths.
const FEWEST_RECORDINGS: usize = 10;

/// What difference of level in dB matters. The softest of the actors 01 to 16 of RAVDESS is 9.7 dB below their median,
/// under the same microphone: this much is a voice, not a fault.
const LEVEL_DB: f64 = 12.0;

/// With fewer speakers there are no others to be far from.
const FEWEST_SPEAKERS: usize = 3;

/// A speaker with fewer recordings has no level of its own.
const FEWEST_OF_SPEAKER: usize = 3;

/// Lengths far from the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UnusualLengths {
    /// Of all recordings, seconds.
    pub(super) median_s: f64,
    /// Which recordings, and their lengths in seconds.
    pub(super) lengths: Vec<(usize, f64)>,
}

/// The recordings more than [`LENGTH_RATIO`] times as long or as short as the median, and far from it in terms of how the
/// logarithms of all lengths are spread.
pub(super) fn unusual_lengths(sounds: &[(usize, &Sound)]) -> UnusualLengths {
    let lengths: Vec<(usize, f64)> =
        sounds.iter().map(|(index, sound)| (*index, sound.recording.duration_s())).collect();
    far_lengths(&lengths)
}

fn far_lengths(lengths: &[(usize, f64)]) -> UnusualLengths {
    let logs: Vec<f64> = lengths.iter().map(|(_, length)| length.max(1e-9).ln()).collect();
    let spread = RobustSpread::of(&logs);
    let is_far = |log: f64| spread.is_far(log, LENGTH_RATIO.ln()) && lengths.len() >= FEWEST_RECORDINGS;
    let lengths = lengths.iter().zip(&logs).filter(|(_, log)| is_far(**log)).map(|(length, _)| *length);
    UnusualLengths { median_s: spread.median.exp(), lengths: lengths.collect() }
}

/// The speakers whose level is far from the others', and how far in dB: positive where they are louder.
///
/// A speaker's level is the median over its recordings of the RMS in dB above the median of all recordings of the same
/// class. Taken class by class, one who only shouts is not found to be loud where all shout as loud.
pub(super) fn far_speakers(examined: &[Examined]) -> Vec<(&str, f64)> {
    let labelled = || {
        examined.iter().filter_map(|examined| {
            let (annotation, sound) = (examined.annotation.as_ref().ok()?, examined.sound.as_ref().ok()?);
            Some((annotation, dbfs(sound.levels.rms.max(1e-10))))
        })
    };
    let mut classes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (annotation, level) in labelled() {
        classes.entry(&annotation.label).or_default().push(level);
    }
    let medians: BTreeMap<&str, f64> =
        classes.into_iter().map(|(label, mut levels)| (label, median(&mut levels))).collect();
    let mut speakers: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (annotation, level) in labelled() {
        if let (Some(speaker), Some(usual)) = (&annotation.speaker, medians.get(&*annotation.label)) {
            speakers.entry(speaker).or_default().push(level - usual);
        }
    }
    let levels: Vec<(&str, f64)> = speakers
        .into_iter()
        .filter(|(_, levels)| levels.len() >= FEWEST_OF_SPEAKER)
        .map(|(speaker, mut levels)| (speaker, median(&mut levels)))
        .collect();
    far_levels(&levels)
}

fn far_levels<'a>(levels: &[(&'a str, f64)]) -> Vec<(&'a str, f64)> {
    if levels.len() < FEWEST_SPEAKERS {
        return Vec::new();
    }
    let spread = RobustSpread::of(&levels.iter().map(|(_, level)| *level).collect::<Vec<_>>());
    let far = levels.iter().filter(|(_, level)| spread.is_far(*level, LEVEL_DB));
    far.map(|(speaker, level)| (*speaker, level - spread.median)).collect()
}

/// Where values lie and how far apart, whatever a few of them are.
struct RobustSpread {
    median: f64,
    /// An estimate of the standard deviation.
    deviation: f64,
}

impl RobustSpread {
    fn of(values: &[f64]) -> Self {
        let centre = median(&mut values.to_vec());
        let mut distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
        Self { median: centre, deviation: DEVIATIONS_PER_MAD * median(&mut distances) }
    }

    /// Whether `value` is further from the median than `matters`, and rare.
    fn is_far(&self, value: f64, matters: f64) -> bool {
        let distance = (value - self.median).abs();
        distance > matters && distance > ROBUST_DEVIATIONS * self.deviation
    }
}

fn median(values: &mut [f64]) -> f64 {
    MinMedianMax::of(values).median
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(of: &[f64]) -> Vec<usize> {
        let indexed: Vec<(usize, f64)> = of.iter().copied().enumerate().collect();
        far_lengths(&indexed).lengths.into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn a_call_and_a_click_among_utterances_are_of_unusual_length() {
        let mut all: Vec<f64> = (0..40).map(|n| 1.5 + f64::from(n) / 40.0).collect();
        assert!(lengths(&all).is_empty());
        all.extend([240.0, 0.1, 9.0]);
        assert_eq!(lengths(&all), [40, 41], "9.0 s are 4.5 times the median");
    }

    #[test]
    fn where_lengths_differ_widely_a_long_one_is_not_unusual() {
        // Turns of a conversation, half of them below 2 s, every tenth above 20 s.
        let turns: Vec<f64> = (0..100).map(|n| 2.0 * 10f64.powf(f64::from(n - 50) / 50.0)).collect();
        assert!(turns.iter().any(|turn| *turn > 5.0 * 2.0));
        assert!(lengths(&turns).is_empty());
    }

    #[test]
    fn equal_lengths_have_no_spread_and_only_the_ratio_counts() {
        let mut all = vec![2.0; 20];
        all.extend([9.9, 10.1]);
        assert_eq!(lengths(&all), [21]);
        assert!(lengths(&[2.0, 2.0, 2.0, 240.0]).is_empty(), "of few nothing is said");
        assert!(lengths(&[]).is_empty());
    }

    #[test]
    fn one_speaker_far_from_the_others_is_named_and_a_soft_voice_is_not() {
        let voices = [("01", -0.3), ("05", -5.2), ("09", -9.7), ("10", 8.9), ("12", 2.3), ("03", 3.8)];
        assert!(far_levels(&voices).is_empty());
        let far = far_levels(&[("a", -21.0), ("b", 0.0), ("c", 1.0)]);
        assert_eq!(far, [("a", -21.0)]);
        assert!(far_levels(&[("a", -40.0), ("b", 0.0)]).is_empty(), "which of two is far cannot be told");
    }

    #[test]
    fn where_every_speaker_has_another_microphone_no_one_is_far() {
        let levels = [("a", -20.0), ("b", -10.0), ("c", 0.0), ("d", 10.0), ("e", 20.0)];
        assert!(far_levels(&levels).is_empty());
    }
}
