//! One recording to mono samples at its own rate, whole or not at all.

use symphonia::core::errors::Error as SymphoniaError;

use crate::{Error, ErrorKind, Result};

use super::container::Container;
use super::guard::guarded;
use super::{Limits, MAX_CHANNELS, SAMPLE_RATES, aiff, compressed, pcm, wav};

/// What a recording is, as decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The container, told from the content.
    pub container: Container,
    /// Short name of the codec, such as `pcm_s16le` or `vorbis`.
    pub codec: &'static str,
    /// Sample rate of the recording in Hz.
    pub sample_rate: u32,
    /// Channels before the mix-down.
    pub channels: u16,
    /// Samples of each channel, which is the number of mono samples.
    pub samples: u64,
}

impl Recording {
    /// The length in seconds.
    pub fn duration_s(&self) -> f64 {
        seconds(self.samples, self.sample_rate)
    }
}

/// Decodes a whole file and mixes it down to mono. `mono` is replaced; its memory is reused.
///
/// What is trimmed: the encoder's delay and padding where the file states them, that is by the LAME tag in MP3,
/// the granule positions in Ogg, the edit list and sample table in MP4, and the packet table in CAF. An
/// MP3 without that tag keeps its delay (about 1,105 samples), and so does a bare AAC stream (ADTS, 1,024).
///
/// What "whole" rests on:
///
/// | container | complete | intact |
/// |---|---|---|
/// | WAV, AIFF | sizes in the header; written to a pipe, whole samples up to the end of the file | |
/// | FLAC | sample count; every byte belongs to a frame | checksum of every frame, MD5 of the samples |
/// | Ogg | end mark on the last page; page numbers; granule position | checksum of every page |
/// | MP3, ADTS | unbroken chain of whole frames; frame count of the Xing, Info or VBRI table if there is one | |
/// | MP4, CAF | sizes in the header; sample or packet table | |
///
/// # Errors
/// * `Unsupported`: not audio, or audio of a kind, sample rate or channel count that is not handled.
/// * `Damaged`: cut short (both lengths are named where both are known), corrupt, or a decoder failed on it.
/// * `Limit`: above [`Limits::max_bytes`], or [`Limits::max_duration_s`] was reached.
/// * `Unusable`: empty, without samples, shorter than [`Limits::min_duration_s`], with a sample that is not
///   finite, or digital silence.
pub fn decode(bytes: &[u8], limits: &Limits, mono: &mut Vec<f32>) -> Result<Recording> {
    mono.clear();
    if bytes.is_empty() {
        return Err(
            Error::new(ErrorKind::Unusable, "is empty (0 bytes)").mend("copy it again from its source")
        );
    }
    if bytes.len() as u64 > limits.max_bytes {
        let what = format!("has {} bytes, more than the limit of {}", bytes.len(), limits.max_bytes);
        return Err(Error::new(ErrorKind::Limit, what).mend("cut it into utterances"));
    }
    let container = Container::of(bytes)?;
    let format = guarded(|| match container {
        Container::Wav => pcm::decode(&wav::parse(bytes)?, limits, mono),
        Container::Aiff => pcm::decode(&aiff::parse(bytes)?, limits, mono),
        _ => compressed::decode(bytes, container, limits, mono),
    })?;
    check_samples(mono, format.sample_rate, limits)?;
    Ok(Recording {
        container,
        codec: format.codec,
        sample_rate: format.sample_rate,
        channels: format.channels,
        samples: mono.len() as u64,
    })
}

/// What a decoder found.
pub(super) struct Format {
    pub(super) codec: &'static str,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
}

/// The remedy for a file that lost something on its way.
pub(super) const COPY_AGAIN: &str = "copy it again from its source";

fn check_samples(mono: &[f32], sample_rate: u32, limits: &Limits) -> Result<()> {
    if mono.is_empty() {
        return Err(
            Error::new(ErrorKind::Unusable, "holds no samples").mend("record it again or leave it out")
        );
    }
    if let Some(first) = mono.iter().position(|sample| !sample.is_finite()) {
        let at = seconds(first as u64, sample_rate);
        let what = format!("holds a sample that is not a finite number, at {at:.3} s (sample {first})");
        return Err(Error::new(ErrorKind::Unusable, what).mend("export it again"));
    }
    let duration = seconds(mono.len() as u64, sample_rate);
    if duration < limits.min_duration_s {
        let what = format!(
            "lasts only {duration:.4} s ({} samples), less than the least of {} s",
            mono.len(),
            limits.min_duration_s
        );
        return Err(Error::new(ErrorKind::Unusable, what).mend("record it again or leave it out"));
    }
    if mono.iter().all(|&sample| sample == 0.0) {
        return Err(
            Error::new(ErrorKind::Unusable, "is digital silence").mend("record it again or leave it out")
        );
    }
    Ok(())
}

pub(super) fn seconds(samples: u64, sample_rate: u32) -> f64 {
    samples as f64 / f64::from(sample_rate.max(1))
}

/// Refuses rates and channel counts outside of the limits.
pub(super) fn check_format(sample_rate: u32, channels: usize) -> Result<()> {
    if !SAMPLE_RATES.contains(&sample_rate) {
        let (low, high) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
        let what = format!("states a sample rate of {sample_rate} Hz, outside of {low} to {high} Hz");
        return Err(Error::new(ErrorKind::Unsupported, what).mend("resample it"));
    }
    if channels == 0 || channels > usize::from(MAX_CHANNELS) {
        let what = format!("states {channels} channels; 1 to {MAX_CHANNELS} are handled");
        return Err(Error::new(ErrorKind::Unsupported, what).mend("mix it down"));
    }
    Ok(())
}

/// The most frames that the duration limit allows at a sample rate.
pub(super) fn max_frames(limits: &Limits, sample_rate: u32) -> u64 {
    // A float above the range saturates; NaN allows nothing.
    (limits.max_duration_s * f64::from(sample_rate)) as u64
}

/// The error for a recording above the duration limit, of `frames` frames where that is known.
pub(super) fn too_long(frames: Option<u64>, limits: &Limits, sample_rate: u32) -> Error {
    let limit = limits.max_duration_s;
    let what = match frames {
        Some(frames) if frames > max_frames(limits, sample_rate) => {
            format!("lasts {:.3} s, more than the limit of {limit} s", seconds(frames, sample_rate))
        }
        _ => format!("lasts more than the limit of {limit} s"),
    };
    Error::new(ErrorKind::Limit, what).mend("cut it into utterances")
}

/// The error for a recording that holds `present` of `promised` frames.
pub(super) fn cut_short(promised: u64, present: u64, sample_rate: u32) -> Error {
    let what = format!(
        "is cut short: its header promises {:.3} s ({promised} samples), {:.3} s ({present}) are there",
        seconds(promised, sample_rate),
        seconds(present, sample_rate),
    );
    Error::new(ErrorKind::Damaged, what).mend(COPY_AGAIN)
}

/// The error for a recording whose bytes ended too early, after `present` frames.
pub(super) fn shorter_than_promised(promised: Option<u64>, present: u64, sample_rate: u32) -> Error {
    match promised {
        Some(promised) if promised > present => cut_short(promised, present, sample_rate),
        _ => {
            let what = format!(
                "is cut short: it ends inside its data, after {:.3} s",
                seconds(present, sample_rate)
            );
            Error::new(ErrorKind::Damaged, what).mend(COPY_AGAIN)
        }
    }
}

/// What symphonia reported after `done` samples, in our words.
pub(super) fn decoder_error(error: SymphoniaError, done: usize, sample_rate: u32) -> Error {
    let at = format!("after {:.3} s", seconds(done as u64, sample_rate));
    let (kind, what) = match &error {
        SymphoniaError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Damaged, format!("is cut short: it ends inside its data, {at}"))
        }
        SymphoniaError::Unsupported(what) => (ErrorKind::Unsupported, format!("cannot be decoded ({what})")),
        SymphoniaError::LimitError(what) => (ErrorKind::Limit, format!("goes beyond a limit {at} ({what})")),
        SymphoniaError::ResetRequired => {
            (ErrorKind::Unsupported, format!("holds several recordings, the second {at}"))
        }
        SymphoniaError::DecodeError(what) => (ErrorKind::Damaged, format!("is corrupt {at} ({what})")),
        other => (ErrorKind::Damaged, format!("cannot be decoded {at} ({other})")),
    };
    let mend = match kind {
        ErrorKind::Damaged => COPY_AGAIN,
        _ => "convert it to WAV or FLAC",
    };
    Error::new(kind, what).mend(mend).caused_by(error)
}
