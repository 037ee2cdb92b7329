//! Cutting samples into overlapping windowed frames, as `librosa.stft` does.

use ser_core::{Error, ErrorKind, Result};

use crate::{FeatureConfig, PadMode};

/// Where frames lie: frame `t` covers `n_fft` samples, centred on (or, without `center`, starting at) sample
/// `t · hop_length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    n_fft: usize,
    hop_length: usize,
    center: bool,
    pad_mode: PadMode,
}

impl FrameLayout {
    /// The framing that `config` describes; a `hop_length` of 0, which validation refuses, counts as 1.
    pub fn new(config: &FeatureConfig) -> Self {
        Self {
            n_fft: config.n_fft,
            hop_length: config.hop_length.max(1),
            center: config.center,
            pad_mode: config.pad_mode,
        }
    }

    /// Number of frames that a clip of `samples` samples gives.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] when there is no sample, or, without `center`, not one whole frame.
    pub fn count(&self, samples: usize) -> Result<usize> {
        if samples == 0 {
            return Err(Error::new(ErrorKind::Unusable, "holds no samples"));
        }
        let padded = samples.saturating_add(2 * self.margin());
        match padded.checked_sub(self.n_fft) {
            Some(last_start) => Ok(1 + last_start / self.hop_length),
            None => Err(Error::new(
                ErrorKind::Unusable,
                format!("has {samples} samples, fewer than one frame of n_fft = {}", self.n_fft),
            )
            .help("lower n_fft, or set center = true so that short clips are padded")),
        }
    }

    /// Writes frame `index` to `frame`, which holds `n_fft` values: samples as they are, with those outside the clip as in
    /// [`windowed`](Self::windowed).
    #[inline(always)]
    pub fn cut(&self, samples: &[f32], index: usize, frame: &mut [f64]) {
        let start = index.saturating_mul(self.hop_length);
        for (offset, value) in frame.iter_mut().enumerate() {
            *value = f64::from(self.sample(samples, start.saturating_add(offset)));
        }
    }

    /// Writes frame `index`, multiplied by `window`, to `frame`; both hold `n_fft` values.
    ///
    /// Samples outside the clip are zero or its reflection (without repeating the edge sample), by `pad_mode`.
    #[inline(always)]
    pub fn windowed(&self, samples: &[f32], index: usize, window: &[f64], frame: &mut [f64]) {
        let start = index.saturating_mul(self.hop_length);
        let inside = start
            .checked_sub(self.margin())
            .and_then(|from| samples.get(from..from.saturating_add(self.n_fft)));
        if let Some(inside) = inside {
            for ((value, &sample), &weight) in frame.iter_mut().zip(inside).zip(window) {
                *value = f64::from(sample) * weight;
            }
        } else {
            for (offset, (value, &weight)) in frame.iter_mut().zip(window).enumerate() {
                *value = f64::from(self.sample(samples, start.saturating_add(offset))) * weight;
            }
        }
    }

    /// Samples added on either side of the clip.
    fn margin(&self) -> usize {
        if self.center { self.n_fft / 2 } else { 0 }
    }

    /// The sample at `position` of the padded clip.
    fn sample(&self, samples: &[f32], position: usize) -> f32 {
        let margin = self.margin();
        match position.checked_sub(margin) {
            Some(at) if at < samples.len() => samples[at],
            _ if self.pad_mode == PadMode::Constant => 0.0,
            outside => {
                // A clip of n samples, mirrored again and again, repeats every 2(n − 1) samples.
                let distance = outside.unwrap_or_else(|| margin - position);
                let period = 2 * samples.len().saturating_sub(1).max(1);
                let at = distance % period;
                samples.get(at.min(period - at)).or(samples.first()).copied().unwrap_or(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(n_fft: usize, hop_length: usize, center: bool, pad_mode: PadMode) -> FrameLayout {
        FrameLayout { n_fft, hop_length, center, pad_mode }
    }

    fn frame(framing: FrameLayout, samples: &[f32], index: usize) -> Vec<f64> {
        let mut frame = vec![f64::NAN; framing.n_fft];
        framing.windowed(samples, index, &vec![1.0; framing.n_fft], &mut frame);
        frame
    }

    #[test]
    fn frames_are_counted_as_librosa_counts_them() {
        let centred = framing(512, 256, true, PadMode::Constant);
        for (samples, frames) in [(1, 1), (255, 1), (256, 2), (16_000, 63), (47_680, 187)] {
            assert_eq!(centred.count(samples).unwrap(), frames, "{samples} samples");
        }
        let uncentred = framing(512, 256, false, PadMode::Constant);
        assert_eq!(uncentred.count(512).unwrap(), 1);
        assert_eq!(uncentred.count(768).unwrap(), 2);
        let odd = framing(5, 2, true, PadMode::Constant);
        assert_eq!(odd.count(8).unwrap(), 4);
    }

    #[test]
    fn no_samples_and_less_than_a_frame_are_refused() {
        let error = framing(512, 256, true, PadMode::Constant).count(0).unwrap_err();
        assert_eq!(error.to_string(), "holds no samples");
        let error = framing(512, 256, false, PadMode::Constant).count(511).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.to_string().starts_with("has 511 samples, fewer than one frame of n_fft = 512"));
    }

    #[test]
    fn padding_is_zero_or_the_mirrored_clip() {
        let clip = [1.0, 2.0, 3.0];
        assert_eq!(frame(framing(4, 2, true, PadMode::Constant), &clip, 0), [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(frame(framing(4, 2, true, PadMode::Reflect), &clip, 0), [3.0, 2.0, 1.0, 2.0]);
        assert_eq!(frame(framing(4, 2, true, PadMode::Reflect), &clip, 1), [1.0, 2.0, 3.0, 2.0]);
    }

    #[test]
    fn a_clip_shorter_than_the_padding_is_mirrored_again_and_again() {
        // The start of numpy.pad([1, 2, 3], 6, mode="reflect").
        let expected = [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0];
        assert_eq!(frame(framing(12, 1, true, PadMode::Reflect), &[1.0, 2.0, 3.0], 0), expected);
        assert_eq!(frame(framing(4, 1, true, PadMode::Reflect), &[5.0], 0), [5.0; 4]);
    }
}
