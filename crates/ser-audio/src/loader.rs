//! From a file to its bytes, and from those to normalised samples at the target rate, in buffers that are kept.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::Xxh3;

use crate::decode::check_samples;
use crate::decoder_thread::DecoderThread;
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
    decoder: DecoderThread,
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
        let decoder = DecoderThread::new(decode);
        Self { normalisation, limits, decoder, resamplers, mono: Vec::new(), resampled: Vec::new() }
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
        self.clip(recording, None)
    }

    /// The second half of [`load`](Self::load): resamples and normalises what [`decode`](Self::decode) left, or a range
    /// of its samples as if these had been a file of their own.
    ///
    /// # Errors
    /// Those of [`crate::Resampler::process`] and [`LevelNormalisation::apply`]; for a range also `Unusable` or `Limit`
    /// where a file with these samples would be refused.
    pub fn clip(
        &mut self,
        recording: DecodedRecording,
        range: Option<Range<usize>>,
    ) -> Result<LoadedClip<'_>> {
        let (mono, recording) = match range {
            None => (&self.mono[..], recording),
            Some(range) => {
                let samples = self.mono.get(range).unwrap_or_default();
                check_samples(samples, recording.sample_rate, &self.limits)?;
                (samples, DecodedRecording { samples: samples.len() as u64, ..recording })
            }
        };
        let audio_hash = audio_hash(recording.sample_rate, mono);
        self.resamplers.get(recording.sample_rate)?.process(mono, &mut self.resampled)?;
        self.normalisation.apply(&mut self.resampled)?;
        Ok(LoadedClip { recording, audio_hash, samples: &self.resampled })
    }

    /// `mono` samples at `sample_rate` Hz at the loader's rate and level, as if a file with just these had been loaded.
    ///
    /// # Errors
    /// Those of [`crate::Resampler::process`] and [`LevelNormalisation::apply`]; `Unusable` or `Limit` where a file with
    /// these samples would be refused.
    pub fn process(&mut self, mono: &[f32], sample_rate: u32) -> Result<&[f32]> {
        check_samples(mono, sample_rate, &self.limits)?;
        self.resamplers.get(sample_rate)?.process(mono, &mut self.resampled)?;
        self.normalisation.apply(&mut self.resampled)?;
        Ok(&self.resampled)
    }

    /// The first half of [`load`](Self::load): decodes and mixes down, and leaves the result in [`mono`](Self::mono).
    ///
    /// # Errors
    /// Those of [`decode()`]; none names a file.
    pub fn decode(&mut self, bytes: &mut Vec<u8>) -> Result<DecodedRecording> {
        self.decode_within(bytes, self.limits)
    }

    /// As [`decode`](Self::decode), for a recording of which only ranges are utterances: it may be longer, by
    /// [`Limits::of_segmented`].
    ///
    /// # Errors
    /// Those of [`decode()`]; none names a file.
    pub fn decode_segmented(&mut self, bytes: &mut Vec<u8>) -> Result<DecodedRecording> {
        self.decode_within(bytes, self.limits.of_segmented())
    }

    fn decode_within(&mut self, bytes: &mut Vec<u8>, limits: Limits) -> Result<DecodedRecording> {
        match Container::of(bytes) {
            Ok(container) if container.holds_codec() => self.decoder.decode(bytes, &limits, &mut self.mono),
            _ => decode(bytes, &limits, &mut self.mono),
        }
    }

    /// The mono samples that were decoded last, at their own rate; of a rejected recording, as many as there
    /// were.
    pub fn mono(&self) -> &[f32] {
        &self.mono
    }
}

/// Reads the whole of a regular file into `bytes`, replacing what was there.
///
/// Only regular files are read: a FIFO or a device could block the caller forever.
///
/// # Errors
/// `Unsupported` for anything but a regular file, `Unusable` for an empty one, `Limit` for one above
/// [`Limits::max_bytes`], `Io` where the system refuses or where the size changes while the file is read. The
/// error names the file.
pub fn read_file(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    let file = open_regular(path, "cannot read")?;
    read_open(file, limits, bytes).map_err(|error| error.at(path))
}

fn read_open(file: File, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    let cannot_read = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot be read: {error}")).caused_by(error)
    };
    let size = file.metadata().map_err(cannot_read)?.len();
    limits.check_bytes(size)?;
    let too_large = || Error::new(ErrorKind::Limit, format!("has {size} bytes, more than fit in memory now"));
    // One byte more than expected, so that growth is noticed and the end is seen without a second allocation.
    let room = usize::try_from(size).ok().and_then(|size| size.checked_add(1)).ok_or_else(too_large)?;
    bytes.try_reserve_exact(room).map_err(|_| too_large())?;
    let read = file.take(size.saturating_add(1)).read_to_end(bytes).map_err(cannot_read)?;
    if read as u64 != size {
        bytes.clear();
        let how = if (read as u64) < size { "shrank" } else { "grew" };
        let what = format!("{how} while it was read (it had {size} bytes at first)");
        return Err(Error::new(ErrorKind::Io, what).help("wait until it is complete, then run again"));
    }
    Ok(())
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
