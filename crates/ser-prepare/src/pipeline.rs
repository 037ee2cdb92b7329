//! The one way from a recording to a tensor: load → augment → extract.
//!
//! ```text
//! file ──▶ bytes ──▶ mono samples ──▶ (augmented samples) ──▶ [channel, n_mfcc, frame]
//!          RecordingReader            WaveformAugmenter       Extractor
//! ```
//!
//! Preparation, repair, training on the fly and examples all take it, so that the same recording, configuration and draw
//! give the same bits whoever asks. Each part keeps its buffers: give every thread its own.

use std::path::Path;

use ser_audio::{DecodedRecording, LevelNormalisation, Limits, LoadedClip, Loader};
use ser_cache::{Hex, Sha, SourceChannels, TensorSource};
use ser_core::Result;
use ser_core::random::Random;
use ser_corpus::Segment;
use ser_features::augmentation::{Applied, AugmentationRecipe, Augmenter, Babble};
use ser_features::{Extraction, Extractor, FeatureConfig};

/// The last part: what turns the samples of an utterance into its tensor. A tensor depends on its samples alone.
pub trait TensorExtractor: std::fmt::Debug + Send {
    /// Shape of its tensors: channels, rows, frames.
    fn shape(&self) -> [usize; 3];

    /// Computes `tensor` of `samples`, mono at the rate and level of the features.
    ///
    /// # Errors
    /// When there is nothing to compute features from, or `tensor` has another size; none names the file.
    fn extract(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction>;
}

impl TensorExtractor for Extractor {
    fn shape(&self) -> [usize; 3] {
        Self::shape(self)
    }

    fn extract(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        Self::extract(self, samples, tensor)
    }
}

/// Gives every thread an extractor of its own.
pub trait Extractors: Sync {
    /// One more.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn extractor(&self) -> Result<Box<dyn TensorExtractor>>;
}

/// A thread's pipeline for one feature configuration.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) reader: RecordingReader,
    pub(crate) augmenter: Option<WaveformAugmenter>,
    pub(crate) extractor: Box<dyn TensorExtractor>,
}

/// What was computed of a recording, or of a copy of it, beside its tensor.
#[derive(Debug, Clone)]
pub struct ComputedTensor {
    /// Frames that are real.
    pub frames: u32,
    /// Frames left out at the end because a tensor holds no more.
    pub frames_cut: u32,
    /// What it was computed from.
    pub source: TensorSource,
}

impl Pipeline {
    /// A pipeline to `features` of files within `limits`; copies are made by `recipe`, if there is one.
    ///
    /// # Errors
    /// When the configuration or the recipe is invalid, or the recipe cannot be applied at that sample rate.
    pub fn new(
        features: &FeatureConfig,
        recipe: Option<&AugmentationRecipe>,
        limits: Limits,
    ) -> Result<Self> {
        Self::with(features, recipe, limits, Box::new(Extractor::new(features)?))
    }

    /// The same with another extractor of these features.
    ///
    /// # Errors
    /// When the recipe is invalid or cannot be applied at that sample rate.
    pub fn with(
        features: &FeatureConfig,
        recipe: Option<&AugmentationRecipe>,
        limits: Limits,
        extractor: Box<dyn TensorExtractor>,
    ) -> Result<Self> {
        Ok(Self {
            reader: RecordingReader::new(features, limits),
            augmenter: recipe.map(|recipe| WaveformAugmenter::new(recipe, features)).transpose()?,
            extractor,
        })
    }

    /// Shape of its tensors: `[channel, n_mfcc, frame]`.
    pub fn shape(&self) -> [usize; 3] {
        self.extractor.shape()
    }

    /// Reads the file at `path` and returns the SHA-256 of its bytes. Whether its tensor is needed can be decided by that,
    /// before anything is decoded.
    ///
    /// # Errors
    /// When the file cannot be read or is larger than the limits allow.
    pub fn read(&mut self, path: &Path) -> Result<Sha> {
        self.reader.read(path)
    }

    /// Takes `bytes` for those of a file, as [`read`](Self::read) does those of one on disk.
    ///
    /// # Errors
    /// When there are none, or more than the limits allow.
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<Sha> {
        self.reader.take(bytes)
    }

    /// Decodes the file read last, of which all is an utterance, or where it is `segmented` its segments are.
    ///
    /// # Errors
    /// When it cannot be decoded, or is longer or shorter than the limits allow; none names the file.
    pub fn decode(&mut self, segmented: bool) -> Result<DecodedRecording> {
        self.reader.decode(segmented)
    }

    /// The mono samples that were decoded last, at their own rate.
    pub fn mono(&self) -> &[f32] {
        self.reader.loader.mono()
    }

    /// Computes the tensor `[channel, n_mfcc, frame]` of `mono` samples at `sample_rate` Hz, to the bit that of a recording
    /// with just these samples.
    ///
    /// # Errors
    /// When a recording with these samples would be refused, or `tensor` has another size.
    pub fn tensor_of_samples(
        &mut self,
        mono: &[f32],
        sample_rate: u32,
        tensor: &mut [f32],
    ) -> Result<Extraction> {
        let samples = self.reader.loader.process(mono, sample_rate)?;
        self.extractor.extract(samples, tensor)
    }

    /// Computes the tensor `[channel, n_mfcc, frame]` of `recording`, which was decoded last, or of a segment of it; with
    /// `copy`, of the augmented copy that this generator draws. There is no babble in a copy.
    ///
    /// # Errors
    /// When the segment is not inside the recording, when the samples cannot be augmented or extracted from, or `tensor`
    /// has another size; none names the file.
    pub fn tensor(
        &mut self,
        recording: &DecodedRecording,
        segment: Option<&Segment>,
        copy: Option<&mut Random>,
        tensor: &mut [f32],
    ) -> Result<ComputedTensor> {
        let sample_rate = self.reader.sample_rate;
        let LoadedClip { recording, audio_hash, samples: original } = self.reader.clip(recording, segment)?;
        let (samples, source) = match (copy, &mut self.augmenter) {
            (Some(random), Some(augmenter)) => {
                augmenter.augment(original, random, &mut |_| None)?;
                let samples = augmenter.samples();
                // A copy is what its samples are, at the rate of the features; the container is its parent's.
                let sound = Hex(ser_audio::audio_hash(sample_rate, samples).to_be_bytes());
                let channels = SourceChannels::new(1, None);
                let (count, container) = (samples.len() as u64, recording.container);
                (samples, TensorSource { sample_rate, channels, container, samples: count, sound })
            }
            _ => {
                let source = TensorSource {
                    sample_rate: recording.sample_rate,
                    channels: SourceChannels::new(recording.channels, recording.only_channel),
                    container: recording.container,
                    samples: recording.samples,
                    sound: Hex(audio_hash.to_be_bytes()),
                };
                (original, source)
            }
        };
        let extraction = self.extractor.extract(samples, tensor)?;
        Ok(ComputedTensor { frames: extraction.frames as u32, frames_cut: extraction.cut as u32, source })
    }
}

/// Reads and decodes recordings: mono, at the sample rate and level of a feature configuration.
#[derive(Debug)]
pub struct RecordingReader {
    sample_rate: u32,
    limits: Limits,
    bytes: Vec<u8>,
    loader: Loader,
}

impl RecordingReader {
    /// A reader of files within `limits`.
    pub fn new(features: &FeatureConfig, limits: Limits) -> Self {
        let FeatureConfig { sample_rate, normalisation, .. } = *features;
        let loader = Loader::new(sample_rate, normalisation, limits);
        Self { sample_rate, limits, bytes: Vec::new(), loader }
    }

    /// Reads the recording at `path`, a file or in an archive, and returns the SHA-256 of its bytes.
    ///
    /// # Errors
    /// When it cannot be read or is larger than the limits allow.
    pub fn read(&mut self, path: &Path) -> Result<Sha> {
        ser_corpus::read_recording(path, self.limits.max_bytes, &mut self.bytes)?;
        Ok(Sha::of(&[&self.bytes]))
    }

    /// Takes `bytes` for those of a file, and returns their SHA-256.
    ///
    /// # Errors
    /// `Unusable` for none, `Limit` for more than [`Limits::max_bytes`].
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<Sha> {
        self.limits.check_bytes(bytes.len() as u64)?;
        self.bytes = bytes;
        Ok(Sha::of(&[&self.bytes]))
    }

    /// Size of the file read last, bytes, until it is loaded.
    pub fn bytes_read(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Decodes the file read last, of which all is an utterance, or where it is `segmented` its segments are.
    ///
    /// # Errors
    /// When it cannot be decoded, or is longer or shorter than the limits allow; none names the file.
    pub fn decode(&mut self, segmented: bool) -> Result<DecodedRecording> {
        match segmented {
            true => self.loader.decode_segmented(&mut self.bytes),
            false => self.loader.decode(&mut self.bytes),
        }
    }

    /// The samples of `recording`, which was decoded last, or of a segment of it, at the rate and level of the features.
    ///
    /// # Errors
    /// When the segment is not inside the recording, or has nothing to learn from; none names the file.
    pub fn clip(
        &mut self,
        recording: &DecodedRecording,
        segment: Option<&Segment>,
    ) -> Result<LoadedClip<'_>> {
        let samples = self.loader.mono().len();
        let range = segment.map(|segment| segment.samples(samples, recording.sample_rate)).transpose()?;
        self.loader.clip(recording.clone(), range)
    }

    /// Decodes the file read last, and takes a segment of it or all.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode) and [`clip`](Self::clip).
    pub fn load(&mut self, segment: Option<&Segment>) -> Result<LoadedClip<'_>> {
        let recording = self.decode(segment.is_some())?;
        self.clip(&recording, segment)
    }
}

/// Augments decoded recordings and brings them to the level of a feature configuration again.
#[derive(Debug)]
pub struct WaveformAugmenter {
    augmenter: Augmenter,
    normalisation: LevelNormalisation,
    samples: Vec<f32>,
}

impl WaveformAugmenter {
    /// An augmenter by `recipe` at the sample rate of `features`.
    ///
    /// # Errors
    /// When the recipe is invalid or cannot be applied at that sample rate.
    pub fn new(recipe: &AugmentationRecipe, features: &FeatureConfig) -> Result<Self> {
        let augmenter = Augmenter::new(recipe, features.sample_rate)?;
        Ok(Self { augmenter, normalisation: features.normalisation, samples: Vec::new() })
    }

    /// Augments `original` by what `random` draws, into [`samples`](Self::samples), and returns what was done.
    ///
    /// # Errors
    /// When the samples cannot be augmented or brought to that level.
    pub fn augment(
        &mut self,
        original: &[f32],
        random: &mut Random,
        babble: &mut Babble<'_>,
    ) -> Result<Applied> {
        let applied = self.augmenter.augment(original, random, babble, &mut self.samples)?;
        self.normalisation.apply(&mut self.samples)?;
        Ok(applied)
    }

    /// The samples augmented last.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }
}
