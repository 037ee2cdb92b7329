//! A corpus in numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::doctor::dbfs;
use crate::doctor::levels::bit_depth;
use crate::doctor::recording::{Examined, Sound};

/// What the recordings that can be used are like, all together and class by class.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CorpusStatistics {
    /// Recordings found.
    pub recordings: usize,
    /// Recordings that can be decoded and have a label; all else here is about these.
    pub usable: usize,
    /// Their files together, bytes.
    pub bytes: u64,
    /// Their length together, seconds.
    pub audio_seconds: f64,
    /// The classes, by name.
    pub classes: Vec<ClassNumbers>,
    /// Recordings of the largest class for each of the smallest.
    pub largest_to_smallest: f64,
    /// Recordings of each speaker, as far as speakers are known.
    pub speakers: BTreeMap<String, usize>,
    /// Different words or sentences, as far as they are known.
    pub words: usize,
    /// Recordings of each container and codec, such as `WAV pcm_s16le`.
    pub formats: BTreeMap<String, usize>,
    /// Recordings of each number of bits a sample, where the codec has such a number.
    pub bit_depths: BTreeMap<u16, usize>,
    /// Recordings of each sample rate, Hz.
    pub sample_rates: BTreeMap<u32, usize>,
    /// Recordings of each number of channels.
    pub channels: BTreeMap<u16, usize>,
    /// Recordings with a RIFF chunk of this name beside `fmt` and `data`.
    pub chunks: BTreeMap<String, usize>,
    /// Length of a recording, seconds.
    pub duration_s: MinMedianMax,
    /// Largest |sample|, dB relative to full scale.
    pub peak_dbfs: MinMedianMax,
    /// Root mean square, dB relative to full scale.
    pub rms_dbfs: MinMedianMax,
    /// Silence before and after the sound, as a share of the length.
    pub silence_share: MinMedianMax,
}

/// Smallest, middle and largest value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct MinMedianMax {
    /// The smallest.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

/// One class; the values are medians over its recordings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassNumbers {
    /// Its name.
    pub label: String,
    /// Recordings that can be used.
    pub recordings: usize,
    /// Length of a recording, seconds.
    pub duration_s: f64,
    /// Largest |sample|, dB relative to full scale.
    pub peak_dbfs: f64,
    /// Root mean square, dB relative to full scale.
    pub rms_dbfs: f64,
    /// Silence before and after the sound, as a share of the length.
    pub silence_share: f64,
}

/// The four measures that are summarised.
#[derive(Default)]
struct Measures {
    duration_s: Vec<f64>,
    peak_dbfs: Vec<f64>,
    rms_dbfs: Vec<f64>,
    silence_share: Vec<f64>,
}

impl CorpusStatistics {
    pub(super) fn of(examined: &[Examined]) -> Self {
        let mut numbers = Self { recordings: examined.len(), ..Self::default() };
        let mut classes: BTreeMap<&str, Measures> = BTreeMap::new();
        let mut words = BTreeSet::new();
        let mut all = Measures::default();
        for examined in examined {
            let (Ok(annotation), Ok(sound)) = (&examined.annotation, &examined.sound) else { continue };
            numbers.usable += 1;
            numbers.add(sound);
            all.add(sound);
            classes.entry(&annotation.label).or_default().add(sound);
            if let Some(speaker) = &annotation.speaker {
                *numbers.speakers.entry(speaker.to_string()).or_default() += 1;
            }
            words.extend(annotation.word.as_deref());
        }
        numbers.words = words.len();
        numbers.classes = classes.into_iter().map(|(label, measures)| measures.into_class(label)).collect();
        let sizes = || numbers.classes.iter().map(|class| class.recordings);
        let (largest, smallest) = (sizes().max().unwrap_or(0), sizes().min().unwrap_or(0));
        numbers.largest_to_smallest = largest as f64 / smallest.max(1) as f64;
        numbers.duration_s = MinMedianMax::of(&mut all.duration_s);
        numbers.peak_dbfs = MinMedianMax::of(&mut all.peak_dbfs);
        numbers.rms_dbfs = MinMedianMax::of(&mut all.rms_dbfs);
        numbers.silence_share = MinMedianMax::of(&mut all.silence_share);
        numbers
    }

    fn add(&mut self, sound: &Sound) {
        let recording = &sound.recording;
        self.bytes = self.bytes.saturating_add(sound.bytes);
        self.audio_seconds += recording.duration_s();
        *self.formats.entry(format!("{} {}", recording.container, recording.codec)).or_default() += 1;
        if let Some(bits) = bit_depth(recording.codec) {
            *self.bit_depths.entry(bits).or_default() += 1;
        }
        *self.sample_rates.entry(recording.sample_rate).or_default() += 1;
        *self.channels.entry(recording.channels).or_default() += 1;
        for chunk in &sound.chunks {
            let name = String::from_utf8_lossy(chunk).trim_end().to_owned();
            *self.chunks.entry(name).or_default() += 1;
        }
    }
}

impl Sound {
    /// Silence at both ends, as a share of the length.
    pub(super) fn silence_share(&self) -> f64 {
        let silence = f64::from(self.levels.leading_silence_s) + f64::from(self.levels.trailing_silence_s);
        (silence / self.recording.duration_s().max(1e-9)).clamp(0.0, 1.0)
    }
}

impl Measures {
    fn add(&mut self, sound: &Sound) {
        // Below −200 dB there is nothing to tell, and no logarithm of zero in JSON.
        let level = |amplitude: f32| dbfs(amplitude.max(1e-10));
        self.duration_s.push(sound.recording.duration_s());
        self.peak_dbfs.push(level(sound.levels.peak));
        self.rms_dbfs.push(level(sound.levels.rms));
        self.silence_share.push(sound.silence_share());
    }

    fn into_class(mut self, label: &str) -> ClassNumbers {
        ClassNumbers {
            label: label.to_owned(),
            recordings: self.duration_s.len(),
            duration_s: MinMedianMax::of(&mut self.duration_s).median,
            peak_dbfs: MinMedianMax::of(&mut self.peak_dbfs).median,
            rms_dbfs: MinMedianMax::of(&mut self.rms_dbfs).median,
            silence_share: MinMedianMax::of(&mut self.silence_share).median,
        }
    }
}

impl MinMedianMax {
    /// Of `values`, which are sorted by this; all zero if there are none.
    pub(super) fn of(values: &mut [f64]) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, max: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(
            MinMedianMax::of(&mut [4.0, 1.0, 3.0, 2.0]),
            MinMedianMax { min: 1.0, median: 2.5, max: 4.0 }
        );
        assert_eq!(MinMedianMax::of(&mut [3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(MinMedianMax::of(&mut [7.0]), MinMedianMax { min: 7.0, median: 7.0, max: 7.0 });
        assert_eq!(MinMedianMax::of(&mut []), MinMedianMax::default());
    }
}
