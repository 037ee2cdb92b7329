//! What a model's folder says of a recording before the encoder sees it: `preprocessor_config.json`.

use ser_core::Result;

use crate::settings::Settings;

/// The rate that every supported family was trained at, in Hz.
pub(crate) const SAMPLE_RATE: i64 = 16_000;

/// The settings of the feature extractor: those of the file, or of the part of a processor's file that is about it.
pub(crate) fn feature_extractor(file: Settings, kind: &str) -> Result<Settings> {
    let settings = file.below("feature_extractor").unwrap_or(file);
    settings.one_of("feature_extractor_type", &[kind])?;
    Ok(settings)
}

/// The sampling rate of recordings, in Hz.
pub(crate) fn sample_rate(settings: &Settings) -> Result<u32> {
    Ok(settings.whole("sampling_rate", SAMPLE_RATE, 1_000..=384_000)? as u32)
}

/// Whether each recording is brought to mean 0 and variance 1.
pub(crate) fn normalises(settings: &Settings) -> Result<bool> {
    settings.flag("do_normalize", true)
}

/// `samples` with mean 0 and variance 1, as `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm` makes them:
/// `(x − mean) / √(variance + 1e-7)`.
pub(crate) fn normalised(samples: &[f32]) -> Vec<f32> {
    let count = samples.len().max(1) as f64;
    let mean = samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / count;
    let variance = samples.iter().map(|sample| (f64::from(*sample) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance + 1e-7).sqrt();
    samples.iter().map(|sample| ((f64::from(*sample) - mean) * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalised_recording_has_mean_0_and_variance_1() {
        let samples: Vec<f32> = (0..1000).map(|n| 0.3 + 0.01 * (n as f32 * 0.7).sin()).collect();
        let normalised = normalised(&samples);
        let mean = normalised.iter().sum::<f32>() / 1000.0;
        let power = normalised.iter().map(|sample| sample * sample).sum::<f32>() / 1000.0;
        assert!(mean.abs() < 1e-5 && (power - 1.0).abs() < 0.01, "{mean} {power}");
        // Silence stays silence.
        assert!(super::normalised(&[0.25; 8]).iter().all(|sample| *sample == 0.0));
    }
}
