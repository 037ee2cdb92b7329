//! Loudness of one clip brought to a common level.

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The root mean square that [`LevelNormalisation::Rms`] brings a clip to (−20 dB relative to full scale).
pub const RMS_TARGET: f32 = 0.1;

/// How the samples of a clip are scaled, one factor for the whole clip.
///
/// It is applied to the mono samples at the target rate, after resampling, so that what the features see has
/// exactly the stated level.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum LevelNormalisation {
    /// The largest |sample| becomes 1.
    #[default]
    Peak,
    /// The root mean square becomes 0.1. Peaks may pass 1; nothing is clipped.
    Rms,
    /// The samples stay as they were recorded.
    None,
}

impl LevelNormalisation {
    /// Scales `samples` in place.
    ///
    /// # Errors
    /// `Unusable` where no finite factor exists: samples that are all (nearly) zero, or too large for f32.
    pub fn apply(self, samples: &mut [f32]) -> Result<()> {
        // Without their sign, the bits of larger numbers are larger integers, and those of infinity and NaN larger
        // still. Integers, unlike floats, are compared several at a time.
        let magnitude = |sample: &f32| sample.to_bits() & 0x7fff_ffff;
        let peak = f32::from_bits(samples.iter().map(magnitude).fold(0, u32::max));
        if !peak.is_finite() {
            return Err(Error::new(ErrorKind::Unusable, "holds samples too large to work with")
                .help("save it again with samples between -1 and 1"));
        }
        let factor = match self {
            Self::None => return Ok(()),
            Self::Peak => f64::from(peak).recip(),
            Self::Rms => {
                let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
                f64::from(RMS_TARGET) / (energy / samples.len().max(1) as f64).sqrt()
            }
        };
        if !(factor as f32).is_finite() {
            return Err(Error::new(ErrorKind::Unusable, "is too quiet to be normalised")
                .help("leave it out of the corpus"));
        }
        for sample in samples {
            *sample = (f64::from(*sample) * factor) as f32;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_brings_the_largest_sample_to_exactly_one() {
        for peak in [0.3f32, 1e-20, 0.999_999_9, 7.5, 1e30] {
            let mut samples = [0.1 * peak, -peak, 0.25 * peak];
            LevelNormalisation::Peak.apply(&mut samples).unwrap();
            assert_eq!(samples[1], -1.0, "{peak}");
            assert!((samples[2] - 0.25).abs() < 1e-6);
        }
    }

    #[test]
    fn rms_brings_the_root_mean_square_to_its_target() {
        let mut samples: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.1).sin() * 0.7).collect();
        LevelNormalisation::Rms.apply(&mut samples).unwrap();
        let rms = (samples.iter().map(|x| x * x).sum::<f32>() / 1000.0).sqrt();
        assert!((rms - RMS_TARGET).abs() < 1e-6, "{rms}");
    }

    #[test]
    fn none_changes_nothing() {
        let mut samples = [0.5, -0.25];
        LevelNormalisation::None.apply(&mut samples).unwrap();
        assert_eq!(samples, [0.5, -0.25]);
    }

    #[test]
    fn what_has_no_finite_factor_is_refused() {
        for bad in [[0.0, 0.0], [1e-42, 0.0], [f32::INFINITY, 0.0], [f32::NAN, 0.5]] {
            let error = LevelNormalisation::Peak.apply(&mut bad.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unusable, "{bad:?}");
        }
        assert!(LevelNormalisation::Rms.apply(&mut [0.0; 4]).is_err());
        assert!(LevelNormalisation::Peak.apply(&mut []).is_err());
    }

    #[test]
    fn its_names_in_files_and_on_the_command_line_are_the_same() {
        for (value, name) in [
            (LevelNormalisation::Peak, "peak"),
            (LevelNormalisation::Rms, "rms"),
            (LevelNormalisation::None, "none"),
        ] {
            assert_eq!(serde_json::to_value(value).unwrap(), name);
            assert_eq!(name.parse(), Ok(value));
        }
    }
}
