//! Recordings to mono samples at one rate: read, decode, mix down, resample, normalise.
//!
//! ```text
//! file ──▶ read_file ──▶ decode ──▶ Resampler ──▶ LevelNormalisation
//!          bytes         mono f32    mono f32      mono f32
//!                        source rate target rate   target rate
//! ```
//!
//! [`Loader`] does the last three with buffers that are kept from one recording to the next; give every thread
//! its own.
//!
//! * The container is recognised by its content, never by the name of the file ([`Container::of`]).
//! * Integer samples become `x / 2^(bits-1)`, in `[-1, 1)`; 8-bit WAV is unsigned, `(x - 128) / 128`. Channels
//!   are mixed down by their mean, unless they cancel each other: then the loudest is used alone, and said to be.
//! * A recording is used whole or not at all. One that ends before what its header promises, has a corrupt
//!   packet, a failed checksum or a non-finite sample is an error that says so; see [`decode()`] for what each
//!   container can prove about itself.
//! * Memory follows the bytes that are there and [`Limits`], never a number read from a header.

mod aiff;
mod compressed;
mod container;
mod decode;
mod decoder_thread;
mod extent;
mod fourier;
mod guard;
mod loader;
mod low_pass;
mod matroska;
mod mix;
mod mp4;
mod mpeg;
mod normalise;
mod ogg;
mod opus;
mod pcm;
mod refusal;
mod resample;
mod vorbis;
mod wav;

pub use container::{Container, sniff};
pub use decode::{DecodedRecording, decode};
pub use loader::{LoadedClip, Loader, audio_hash, read_file};
pub use low_pass::LowPass;
pub use normalise::{LevelNormalisation, RMS_TARGET};
pub use resample::{Resampler, ResamplerPool, resampled_len};
pub use wav::{float_wav, pcm16, pcm16_wav};

/// The lowest and highest sample rate that is accepted, in Hz.
pub const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;

/// The most channels that are accepted.
pub const MAX_CHANNELS: u16 = 64;

/// Limits on the size and length of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub max_bytes: u64,
    /// Longest duration in seconds. Decoding stops as soon as it is exceeded.
    pub max_duration_s: f64,
    /// Most samples of a channel, at whatever rate: a short recording at a high one has many. Decoding stops there as well.
    pub max_samples: u64,
    /// Shortest duration in seconds.
    pub min_duration_s: f64,
    /// Longest time in seconds that decoding may take, of the processor; there is no limit where it is not finite.
    /// Only files with a codec inside need it: samples that lie in the file as they are take no time.
    pub max_decoding_s: f64,
}

impl Default for Limits {
    /// 512 MiB, 300 s, any number of samples, 0.05 s, and 60 s, which is a hundred times what the longest file needs.
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
            max_duration_s: 300.0,
            max_samples: u64::MAX,
            min_duration_s: 0.05,
            max_decoding_s: 60.0,
        }
    }
}

impl Limits {
    /// Limits for a recording whose segments are the utterances, which these limits are about: it may last two hours, and
    /// take four times as long to decode.
    pub fn of_segmented(&self) -> Self {
        Self {
            max_duration_s: self.max_duration_s.max(7_200.0),
            min_duration_s: 0.0,
            max_decoding_s: 4.0 * self.max_decoding_s,
            ..*self
        }
    }

    /// Limits for a recording that a cache was made from, which is decoded only once its content is known to be the same.
    /// It was accepted then, under limits that the cache does not keep; these only bound memory: 4 GiB and 24 hours.
    pub fn accepted_before() -> Self {
        Self {
            max_bytes: 4 << 30,
            max_duration_s: 86_400.0,
            max_samples: u64::MAX,
            min_duration_s: 0.0,
            max_decoding_s: f64::INFINITY,
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
