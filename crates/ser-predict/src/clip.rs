//! From the bytes of a recording, or from samples, to what a network reads.

use std::path::Path;
use std::sync::Arc;

use ser_audio::{Limits, audio_hash};
use ser_core::Result;
use ser_encoder::EncoderExtractors;
use ser_features::FeatureConfig;
use ser_model::SoundDigest;
use ser_prepare::{Extractors, Pipeline};

/// The features of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// `[channel, band, frame]`, row-major.
    pub features: Vec<f32>,
    /// How many frames are real.
    pub frames: u32,
    /// Frames left out at the end because the tensor holds no more.
    pub frames_cut: u32,
    /// The start of the digest of its samples, by which a recording that was trained on is recognised.
    pub sound: SoundDigest,
    /// Length of the recording, seconds.
    pub seconds: f64,
}

/// Makes the front ends of one model: one for each thread, which share the weights of its encoder if it reads one.
#[derive(Debug, Clone)]
pub struct FrontEnds {
    features: FeatureConfig,
    encoder: Option<Arc<EncoderExtractors>>,
}

impl FrontEnds {
    /// Front ends to `features`, by `encoder` if they are its states.
    pub(crate) fn new(features: FeatureConfig, encoder: Option<Arc<EncoderExtractors>>) -> Self {
        Self { features, encoder }
    }

    /// What they compute.
    pub fn features(&self) -> &FeatureConfig {
        &self.features
    }

    /// A thread's front end for files within `limits`.
    ///
    /// # Errors
    /// When the configuration is invalid, or there is no memory for it.
    pub fn front_end(&self, limits: Limits) -> Result<FrontEnd> {
        let pipeline = match &self.encoder {
            Some(encoder) => Pipeline::with(&self.features, None, limits, encoder.extractor()?)?,
            None => Pipeline::new(&self.features, None, limits)?,
        };
        Ok(FrontEnd { pipeline })
    }
}

/// A thread's way from recordings to clips: the pipeline of preparation.
#[derive(Debug)]
pub struct FrontEnd {
    pipeline: Pipeline,
}

impl FrontEnd {
    /// The recording in the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, decoded or used; every error names it.
    pub fn file(&mut self, path: &Path) -> Result<Clip> {
        self.pipeline.read(path)?;
        self.decoded().map_err(|error| error.at(path))
    }

    /// The recording whose file has these bytes.
    ///
    /// # Errors
    /// When it cannot be decoded or used; none names a file.
    pub fn bytes(&mut self, bytes: Vec<u8>) -> Result<Clip> {
        self.pipeline.take(bytes)?;
        self.decoded()
    }

    /// The recording that has these `mono` samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// When a recording with these samples would be refused: without sound, too short, not finite.
    pub fn samples(&mut self, mono: &[f32], sample_rate: u32) -> Result<Clip> {
        let mut features = self.empty();
        let extraction = self.pipeline.tensor_of_samples(mono, sample_rate, &mut features)?;
        Ok(Clip {
            features,
            frames: extraction.frames as u32,
            frames_cut: extraction.cut as u32,
            sound: digest_of(mono, sample_rate),
            seconds: mono.len() as f64 / f64::from(sample_rate.max(1)),
        })
    }

    /// All of a long recording: its mono samples at their own rate, and that rate in Hz. The limits are those of the front end
    /// as they are; [`Limits::of_segmented`] makes some for long recordings.
    ///
    /// # Errors
    /// When it cannot be decoded, or is outside of the limits; none names a file.
    pub fn long_bytes(&mut self, bytes: Vec<u8>) -> Result<(&[f32], u32)> {
        self.pipeline.take(bytes)?;
        self.long()
    }

    /// As [`long_bytes`](Self::long_bytes), of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or decoded, or is outside of the limits; every error names it.
    pub fn long_file(&mut self, path: &Path) -> Result<(&[f32], u32)> {
        self.pipeline.read(path)?;
        self.long().map_err(|error| error.at(path))
    }

    fn long(&mut self) -> Result<(&[f32], u32)> {
        let recording = self.pipeline.decode(false)?;
        Ok((self.pipeline.mono(), recording.sample_rate))
    }

    fn decoded(&mut self) -> Result<Clip> {
        let recording = self.pipeline.decode(false)?;
        let mut features = self.empty();
        let computed = self.pipeline.tensor(&recording, None, None, &mut features)?;
        Ok(Clip {
            features,
            frames: computed.frames,
            frames_cut: computed.frames_cut,
            sound: start_of(computed.source.sound.0),
            seconds: computed.source.samples as f64 / f64::from(computed.source.sample_rate.max(1)),
        })
    }

    fn empty(&self) -> Vec<f32> {
        vec![0.0; self.pipeline.shape().iter().product()]
    }
}

/// By which a recording with these `mono` samples is recognised.
pub(crate) fn digest_of(mono: &[f32], sample_rate: u32) -> SoundDigest {
    start_of(audio_hash(sample_rate, mono).to_be_bytes())
}

fn start_of(hash: [u8; 16]) -> SoundDigest {
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}
