//! How loud a recording is, where it is silent, and whether it is clipped.

use serde::Serialize;

/// Length of the frames in which silence is detected, in frames per second.
const FRAMES_PER_SECOND: u32 = 100;

/// A frame counts as silence when its power is this far below that of the loudest frame: 40 dB.
const SILENCE_BELOW: f32 = 1e-4;

/// So many samples in a row at full scale are clipping; one or two may be a peak that just reaches it. Audacity's
/// "Find Clipping" takes the same number.
const CLIPPED_RUN: usize = 3;

/// Samples of 8 bits are so coarse that a low tone stays at its peak for a while; half a millisecond is expected.
const COARSE_RUN_PER_SECOND: u32 = 2_000;

/// Levels of one recording, mixed down to mono. A recording that is clipped in one of several channels alone is not
/// seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Levels {
    /// Largest |sample|; 1 is full scale.
    pub peak: f32,
    /// Root mean square of all samples.
    pub rms: f32,
    /// Mean of all samples: 0 in a recording without DC offset.
    pub mean: f32,
    /// Samples that lie in clipped runs.
    pub clipped_samples: u64,
    /// Samples of the longest clipped run.
    pub longest_clipped_run: u64,
    /// Where the first clipped run begins, in samples.
    pub first_clipped: u64,
    /// Silence before the first frame that is not, in seconds. A frame of 10 ms is silent when its power is 40 dB
    /// below that of the loudest.
    pub leading_silence_s: f32,
    /// Silence after the last frame that is not, in seconds.
    pub trailing_silence_s: f32,
}

/// A level in dB relative to full scale.
pub fn dbfs(amplitude: f32) -> f64 {
    20.0 * f64::from(amplitude).log10()
}

impl Levels {
    /// Measures `mono`, decoded from samples of `codec` at `sample_rate` Hz. `powers` is working memory.
    pub fn of(mono: &[f32], sample_rate: u32, codec: &str, powers: &mut Vec<f32>) -> Self {
        let length = (sample_rate / FRAMES_PER_SECOND).max(1) as usize;
        powers.clear();
        let (mut total, mut energy, mut peak) = (0f64, 0f64, 0f32);
        for frame in mono.chunks(length) {
            let sums = Sums::of(frame);
            total += f64::from(sums.total);
            energy += f64::from(sums.energy);
            peak = peak.max(sums.peak);
            powers.push(sums.energy / frame.len() as f32);
        }
        let count = mono.len().max(1) as f64;
        let loudest = powers.iter().copied().fold(0f32, f32::max);
        let is_sound = |power: &f32| *power > loudest * SILENCE_BELOW;
        let seconds = |frames: usize| frames.saturating_mul(length) as f32 / sample_rate.max(1) as f32;
        let mut levels = Self {
            peak,
            rms: (energy / count).sqrt() as f32,
            mean: (total / count) as f32,
            leading_silence_s: seconds(powers.iter().position(is_sound).unwrap_or(0)),
            trailing_silence_s: seconds(powers.iter().rev().position(is_sound).unwrap_or(0)),
            ..Self::default()
        };
        levels.find_clipping(mono, sample_rate, codec);
        levels
    }

    fn find_clipping(&mut self, mono: &[f32], sample_rate: u32, codec: &str) {
        let full_scale = full_scale(codec);
        if self.peak < full_scale {
            return;
        }
        let coarse = bit_depth(codec).is_some_and(|bits| bits <= 8);
        let coarse_run = if coarse { sample_rate.div_ceil(COARSE_RUN_PER_SECOND) as usize } else { 0 };
        let shortest = CLIPPED_RUN.max(coarse_run);
        let mut at = 0u64;
        for run in mono.chunk_by(|a, b| (a.abs() >= full_scale) == (b.abs() >= full_scale)) {
            let clipped = run.first().is_some_and(|sample| sample.abs() >= full_scale);
            if clipped && run.len() >= shortest {
                if self.clipped_samples == 0 {
                    self.first_clipped = at;
                }
                self.clipped_samples += run.len() as u64;
                self.longest_clipped_run = self.longest_clipped_run.max(run.len() as u64);
            }
            at += run.len() as u64;
        }
    }
}

/// Bits of a sample as it lies in the file, where the name of its codec says.
pub(super) fn bit_depth(codec: &str) -> Option<u16> {
    let format = codec.strip_prefix("pcm_")?;
    if matches!(format, "alaw" | "mulaw") {
        return Some(8);
    }
    let digits = format.strip_prefix(['s', 'u', 'f'])?;
    digits.get(..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()))?.parse().ok()
}

/// The largest positive value that `codec` has, or 16 bits have where it does not say.
fn full_scale(codec: &str) -> f32 {
    // The largest values of G.711, as 16-bit numbers.
    match codec {
        "pcm_mulaw" => return 32_124.0 / 32_768.0,
        "pcm_alaw" => return 32_256.0 / 32_768.0,
        _ => {}
    }
    let bits = match bit_depth(codec) {
        Some(bits) if !codec.starts_with("pcm_f") => bits.clamp(2, 24),
        _ => 16,
    };
    1.0 - f32::from(1 - i16::try_from(bits).unwrap_or(16)).exp2()
}

/// Sums over a frame.
struct Sums {
    total: f32,
    energy: f32,
    peak: f32,
}

impl Sums {
    fn of(frame: &[f32]) -> Self {
        // Several sums side by side, which the processor takes at once.
        const LANES: usize = 8;
        let (mut total, mut energy, mut peak) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
        let (blocks, rest) = frame.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                total[lane] += block[lane];
                energy[lane] += block[lane] * block[lane];
                peak[lane] = peak[lane].max(block[lane].abs());
            }
        }
        for (lane, sample) in rest.iter().enumerate() {
            total[lane] += sample;
            energy[lane] += sample * sample;
            peak[lane] = peak[lane].max(sample.abs());
        }
        Self {
            total: total.iter().sum(),
            energy: energy.iter().sum(),
            peak: peak.iter().copied().fold(0f32, f32::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mono: &[f32], codec: &str) -> Levels {
        Levels::of(mono, 16_000, codec, &mut Vec::new())
    }

    #[test]
    fn a_tone_has_the_level_that_a_calculator_gives() {
        let tone: Vec<f32> =
            (0..16_000).map(|n| 0.1 + 0.5 * (n as f32 * 0.1 * std::f32::consts::TAU).sin()).collect();
        let levels = of(&tone, "pcm_s16le");
        assert!((levels.mean - 0.1).abs() < 1e-4, "{levels:?}");
        assert!((levels.rms - (0.01f32 + 0.125).sqrt()).abs() < 1e-4, "{levels:?}");
        assert!((dbfs(levels.peak) + 4.81).abs() < 0.1, "{levels:?}");
        assert_eq!((levels.leading_silence_s, levels.trailing_silence_s), (0.0, 0.0));
    }

    #[test]
    fn silence_is_counted_at_both_ends_and_not_between() {
        let mut mono = vec![0.0001f32; 16_000];
        mono[3_200..4_800].fill(0.5);
        mono[9_600..11_200].fill(-0.5);
        let levels = of(&mono, "pcm_s16le");
        assert!((levels.leading_silence_s - 0.2).abs() < 1e-6, "{levels:?}");
        assert!((levels.trailing_silence_s - 0.3).abs() < 1e-6, "{levels:?}");
    }

    #[test]
    fn three_samples_in_a_row_at_full_scale_are_clipping_and_two_are_not() {
        let full = 32_767.0 / 32_768.0;
        let mut mono = vec![0.25f32; 4_000];
        mono[10..12].fill(full);
        assert_eq!(of(&mono, "pcm_s16le").clipped_samples, 0);
        mono[100..103].fill(full);
        mono[200..250].fill(-1.0);
        let levels = of(&mono, "pcm_s16le");
        assert_eq!((levels.clipped_samples, levels.longest_clipped_run, levels.first_clipped), (53, 50, 100));
        assert_eq!(of(&mono, "pcm_s24le").clipped_samples, 50, "24 bits reach further up");
    }

    #[test]
    fn eight_bits_have_their_own_full_scale_and_may_stay_there_longer() {
        let mut mono = vec![0.0f32; 4_000];
        mono[100..106].fill(127.0 / 128.0);
        assert_eq!(of(&mono, "pcm_u8").clipped_samples, 0);
        mono[100..108].fill(127.0 / 128.0);
        assert_eq!(of(&mono, "pcm_u8").clipped_samples, 8);
        assert_eq!(of(&mono, "pcm_s16le").clipped_samples, 0);
    }

    #[test]
    fn the_codec_says_how_many_bits_a_sample_has() {
        let depths =
            ["pcm_s16le", "pcm_u8", "pcm_s24be", "pcm_f32le", "pcm_mulaw", "vorbis", "adpcm_ms", "pcm_"];
        let bits = [Some(16), Some(8), Some(24), Some(32), Some(8), None, None, None];
        assert_eq!(depths.map(bit_depth), bits);
    }

    #[test]
    fn nothing_is_measured_of_nothing() {
        assert_eq!(of(&[], "pcm_s16le"), Levels::default());
        assert_eq!(Levels::of(&[0.5], 0, "", &mut Vec::new()).peak, 0.5);
    }
}
