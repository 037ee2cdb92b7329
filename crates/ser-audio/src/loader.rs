//! Everything from a file's bytes to normalised samples at the target rate, in buffers that are kept.

use ser_core::Result;
use xxhash_rust::xxh3::Xxh3;

use crate::companion::DecoderThread;
use crate::{Container, DecodedRecording, LevelNormalisation, Limits, ResamplerPool, decode};

/// A thread's loader of recordings: decodes, mixes down, resamples and normalises one after another.
///
/// ```
/// use ser_audio::{Limits, Loader, LevelNormalisation};
/// # fn wav() -> Vec<u8> {
/// #     let samples: Vec<u8> = (0..8000u32).flat_map(|n| ((n * n % 251) as i16 * 100).to_le_bytes()).collect();
/// #     let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
/// #     wav.extend(8000u32.to_le_bytes());
/// #     wav.extend(16000u32.to_le_bytes());
/// #     wav.extend(b"\x02\0\x10\0data");
/// #     wav.extend((samples.len() as u32).to_le_bytes());
/// #     wav.extend(samples);
/// #     wav
/// # }
/// let mut loader = Loader::new(16_000, LevelNormalisation::Peak, Limits::default());
/// let clip = loader.load(&mut wav())?; // one second at 8,000 Hz
/// assert_eq!(clip.recording.sample_rate, 8_000);
/// assert_eq!(clip.samples.len(), 16_000);
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    normalisation: LevelNormalisation,
    limits: Limits,
    companion: DecoderThread,
    resamplers: ResamplerPool,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

/// A recording, ready for the features.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedClip<'a> {
    /// What was decoded.
    pub recording: DecodedRecording,
    /// Identity of the audio by its content: see [`audio_hash`].
    pub audio_hash: u128,
    /// Mono samples at the loader's rate, normalised.
    pub samples: &'a [f32],
}

impl Loader {
    /// A loader to `sample_rate` Hz.
    pub fn new(sample_rate: u32, normalisation: LevelNormalisation, limits: Limits) -> Self {
        let resamplers = ResamplerPool::new(sample_rate);
        let companion = DecoderThread::new(decode);
        Self { normalisation, limits, companion, resamplers, mono: Vec::new(), resampled: Vec::new() }
    }

    /// Decodes the bytes of one file. The clip borrows the loader's buffers until the next call.
    ///
    /// A file with a codec inside is decoded on a second thread. One that takes far longer than
    /// [`Limits::max_decoding_s`] is abandoned together with that thread; then `bytes` is left empty.
    ///
    /// # Errors
    /// Those of [`decode()`], [`crate::Resampler::process`] and [`LevelNormalisation::apply`]; none names a file.
    pub fn load(&mut self, bytes: &mut Vec<u8>) -> Result<LoadedClip<'_>> {
        let recording = self.decode(bytes)?;
        let audio_hash = audio_hash(recording.sample_rate, &self.mono);
        self.resamplers.get(recording.sample_rate)?.process(&self.mono, &mut self.resampled)?;
        self.normalisation.apply(&mut self.resampled)?;
        Ok(LoadedClip { recording, audio_hash, samples: &self.resampled })
    }

    /// The first half of [`load`](Self::load): decodes and mixes down, and leaves the result in [`mono`](Self::mono).
    ///
    /// # Errors
    /// Those of [`decode()`]; none names a file.
    pub fn decode(&mut self, bytes: &mut Vec<u8>) -> Result<DecodedRecording> {
        match Container::of(bytes) {
            Ok(container) if container.holds_codec() => {
                self.companion.decode(bytes, &self.limits, &mut self.mono)
            }
            _ => decode(bytes, &self.limits, &mut self.mono),
        }
    }

    /// The mono samples that were decoded last, at their own rate; of a rejected recording, as many as there
    /// were.
    pub fn mono(&self) -> &[f32] {
        &self.mono
    }
}

/// XXH3-128 over the sample rate (u32, little-endian) and the mono samples (f32, little-endian) before
/// resampling: equal for the same audio in another lossless container or with other metadata around it.
///
/// It tells accidental copies apart, not forgeries.
pub fn audio_hash(sample_rate: u32, mono: &[f32]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&sample_rate.to_le_bytes());
    let mut bytes = [0; 4096];
    for samples in mono.chunks(bytes.len() / 4) {
        for (place, sample) in bytes.chunks_exact_mut(4).zip(samples) {
            place.copy_from_slice(&sample.to_le_bytes());
        }
        hasher.update(bytes.get(..samples.len() * 4).unwrap_or_default());
    }
    hasher.digest128()
}
