//! Augmentation of features, which training applies to its batches: cropping, SpecAugment's masks and mixup.

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::parameter::require;

/// The `[features]` table of a recipe. All zeros, the default, change nothing.
///
/// Masks are those of Park et al. (2019), "SpecAugment": each covers a uniformly drawn number of frames or bands from 0
/// to its greatest width, at a uniformly drawn place. Mixup is that of Zhang et al. (2018), "mixup: Beyond Empirical
/// Risk Minimization".
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureAugmentation {
    /// Number of masks over time.
    pub time_masks: usize,
    /// The greatest width of a mask over time, in frames.
    pub time_mask_frames: usize,
    /// Number of masks over frequency.
    pub frequency_masks: usize,
    /// The greatest width of a mask over frequency, in bands (or coefficients).
    pub frequency_mask_bands: usize,
    /// Of an utterance longer than this many frames, training sees as many, from a uniformly drawn place; 0 cuts nothing.
    pub crop_frames: usize,
    /// Both parameters of the Beta distribution that two utterances' shares are drawn from; 0 mixes nothing.
    pub mixup_alpha: f64,
}

impl FeatureAugmentation {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        !self.has_masks() && self.crop_frames == 0 && self.mixup_alpha == 0.0
    }

    /// Whether it masks anything.
    pub fn has_masks(&self) -> bool {
        let masks = |count: usize, width: usize| count > 0 && width > 0;
        masks(self.time_masks, self.time_mask_frames)
            || masks(self.frequency_masks, self.frequency_mask_bands)
    }

    /// Checks every value against its bounds.
    ///
    /// # Errors
    /// [`ser_core::ErrorKind::Usage`], naming the parameter and what it may be.
    pub fn validate(&self) -> Result<()> {
        let masks = |count: usize, key: &str| require(count <= 100, key, count, "0 to 100 masks");
        masks(self.time_masks, "time_masks")?;
        masks(self.frequency_masks, "frequency_masks")?;
        let frames = self.time_mask_frames;
        require(frames <= 1_000_000, "time_mask_frames", frames, "0 to 1,000,000 frames")?;
        let bands = self.frequency_mask_bands;
        require(bands <= 1_024, "frequency_mask_bands", bands, "0 to 1,024 bands")?;
        let both = |count: usize, key: &str, width: usize, of_width: &str| match (count, width) {
            (0, 0) | (1.., 1..) => Ok(()),
            (0, _) => Err(without(of_width, key)),
            (_, 0) => Err(without(key, of_width)),
        };
        both(self.time_masks, "time_masks", frames, "time_mask_frames")?;
        both(self.frequency_masks, "frequency_masks", bands, "frequency_mask_bands")?;
        let crop = self.crop_frames;
        require(crop <= 1_000_000, "crop_frames", crop, "0 (no cropping) to 1,000,000 frames")?;
        let alpha = self.mixup_alpha;
        require((0.0..=100.0).contains(&alpha), "mixup_alpha", alpha, "0 (no mixup) to 100")
    }
}

/// The parameter `given` does nothing without `other`.
fn without(given: &str, other: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{given} does nothing without {other}"))
        .help(format!("give {other} as well, or leave {given} out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_both_a_number_and_a_width() {
        let said = |features: FeatureAugmentation| {
            features.validate().err().map_or_else(String::new, |error| error.to_string())
        };
        let none = FeatureAugmentation::default();
        assert_eq!(said(FeatureAugmentation { time_masks: 2, time_mask_frames: 9, ..none.clone() }), "");
        assert_eq!(
            said(FeatureAugmentation { time_masks: 2, ..none.clone() }),
            "time_masks does nothing without time_mask_frames; give time_mask_frames as well, or leave time_masks out"
        );
        let width = FeatureAugmentation { frequency_mask_bands: 4, ..none };
        assert!(said(width).starts_with("frequency_mask_bands does nothing without frequency_masks"));
    }
}
