//! The waveform itself: for networks that begin with a pretrained encoder.

use ser_core::Result;

use crate::FeatureConfig;
use crate::kind::{FeatureComputation, FeatureKind, UtteranceFrames};

/// The samples, one a frame.
#[derive(Debug, Clone, Copy)]
pub struct Waveform;

impl FeatureKind for Waveform {
    fn name(&self) -> &'static str {
        "waveform"
    }

    fn description(&self) -> &'static str {
        "The samples themselves, one a frame, for networks that begin with a pretrained encoder"
    }

    fn rows(&self, _config: &FeatureConfig) -> usize {
        1
    }

    fn computation(&self, _config: &FeatureConfig) -> Box<dyn FeatureComputation> {
        Box::new(Samples)
    }
}

#[derive(Debug)]
struct Samples;

impl FeatureComputation for Samples {
    fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()> {
        let from = utterance.samples.get(utterance.frames.start..).unwrap_or_default();
        rows.iter_mut().zip(from).for_each(|(row, sample)| *row = *sample);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Extractor, FeatureConfig};

    #[test]
    fn every_sample_is_a_frame_and_long_recordings_are_cut() {
        let config = FeatureConfig { max_frames: 10, ..FeatureConfig::waveform() };
        let mut extractor = Extractor::new(&config).unwrap();
        assert_eq!(extractor.shape(), [1, 1, 10]);
        let samples: Vec<f32> = (1..=13).map(|n| n as f32 / 16.0).collect();
        let mut tensor = vec![9.0; 10];
        for (given, frames, cut) in [(13, 10, 3), (10, 10, 0), (4, 4, 0), (1, 1, 0)] {
            let extraction = extractor.extract(&samples[..given], &mut tensor).unwrap();
            assert_eq!((extraction.frames, extraction.cut), (frames, cut));
            assert_eq!(tensor[..frames], samples[..frames]);
            assert!(tensor[frames..].iter().all(|value| *value == 0.0));
        }
        assert!(extractor.extract(&[], &mut tensor).is_err());
    }

    #[test]
    fn parameters_of_a_spectrum_are_refused() {
        let waveform = FeatureConfig::waveform();
        waveform.validate().unwrap();
        assert!(waveform.warnings().is_empty());
        assert_eq!(waveform.shape(), [1, 1, 96_000]);
        let with = |change: fn(&mut FeatureConfig)| {
            let mut config = FeatureConfig::waveform();
            change(&mut config);
            config.validate()
        };
        with(|config| config.sample_rate = 8_000).unwrap();
        for wrong in [
            |config: &mut FeatureConfig| config.hop_length = 2,
            |config: &mut FeatureConfig| config.delta_order = 1,
            |config: &mut FeatureConfig| config.n_mels = 40,
            |config: &mut FeatureConfig| config.trim_top_db = Some(30.0),
        ] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.contains("a waveform has no other parameters"), "{error}");
        }
        assert!(with(|config| config.max_frames = 0).unwrap_err().to_string().contains("max_frames"));
    }
}
