//! One recording to mono samples at its own rate, whole or not at all.

use ser_core::{Error, ErrorKind, Result};

use crate::guard::guarded;
use crate::mix::{Mixer, Mixing};
use crate::refusal::seconds;
use crate::{Container, Limits, aiff, compressed, pcm, wav};

/// A decoded recording's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedRecording {
    /// The container, told from the content.
    pub container: Container,
    /// Short name of the codec, such as `pcm_s16le` or `vorbis`.
    pub codec: &'static str,
    /// Sample rate of the recording in Hz.
    pub sample_rate: u32,
    /// Channels before the mix-down.
    pub channels: u16,
    /// The one of them, from 1, that was used alone because the mean of all is nearly nothing: they are in opposite phase.
    pub only_channel: Option<u16>,
    /// Samples of each channel, which is the number of mono samples.
    pub samples: u64,
}

impl DecodedRecording {
    /// The length in seconds.
    pub fn duration_s(&self) -> f64 {
        seconds(self.samples, self.sample_rate)
    }
}

/// Decodes a whole file and mixes it down to mono. `mono` is replaced; its memory is reused.
///
/// What is trimmed: the encoder's delay and padding where the file states them, that is by the LAME tag in MP3,
/// the granule positions in Ogg, the edit list and sample table in MP4, the packet table in CAF, and the padding stated in
/// Matroska. An
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
/// | MP4, CAF | sizes in the header; sample or packet table, and the packets of every fragment | |
/// | Matroska, WebM | every packet; sizes of elements and duration, as far as they are stated | |
///
/// # Errors
/// * `Unsupported`: not audio, or audio of a kind, sample rate or channel count that is not handled.
/// * `Damaged`: cut short (both lengths are named where both are known), corrupt, or a decoder failed on it.
/// * `Limit`: above [`Limits::max_bytes`], or [`Limits::max_duration_s`] was reached.
/// * `Unusable`: empty, without samples, shorter than [`Limits::min_duration_s`], with a sample that is not
///   finite, or digital silence.
pub fn decode(bytes: &[u8], limits: &Limits, mono: &mut Vec<f32>) -> Result<DecodedRecording> {
    mono.clear();
    limits.check_bytes(bytes.len() as u64)?;
    let container = Container::of(bytes)?;
    let mixed = |mixing: Mixing, mono: &mut Vec<f32>| {
        let mut mixer = Mixer::new(mixing);
        let format = guarded(|| match container {
            Container::Wav => pcm::decode(&wav::parse(bytes)?, limits, &mut mixer, mono),
            Container::Aiff => pcm::decode(&aiff::parse(bytes)?, limits, &mut mixer, mono),
            _ => compressed::decode(bytes, container, limits, &mut mixer, mono),
        })?;
        Ok((format, mixer.cancelled()))
    };
    let (format, cancelled) = mixed(Mixing::Mean, mono)?;
    if let Some(channel) = cancelled {
        mono.clear();
        mixed(Mixing::One(channel), mono)?;
    }
    check_samples(mono, format.sample_rate, limits)?;
    Ok(DecodedRecording {
        container,
        codec: format.codec,
        sample_rate: format.sample_rate,
        channels: format.channels,
        only_channel: cancelled.and_then(|channel| u16::try_from(channel + 1).ok()),
        samples: mono.len() as u64,
    })
}

/// Refuses samples that hold nothing to learn from, or too much or too little of it.
pub(super) fn check_samples(mono: &[f32], sample_rate: u32, limits: &Limits) -> Result<()> {
    if mono.is_empty() {
        return Err(
            Error::new(ErrorKind::Unusable, "holds no samples").help("record it again or leave it out")
        );
    }
    // Without their sign, the bits of larger numbers are larger integers; infinity and NaN come last.
    let loudest = mono.iter().map(|sample| sample.to_bits() & 0x7fff_ffff).fold(0, u32::max);
    if !f32::from_bits(loudest).is_finite() {
        let first = mono.iter().position(|sample| !sample.is_finite()).unwrap_or(0);
        let at = seconds(first as u64, sample_rate);
        let what = format!("holds a sample that is not a finite number, at {at:.3} s (sample {first})");
        return Err(Error::new(ErrorKind::Unusable, what).help("export it again"));
    }
    limits.check_duration(mono.len() as u64, sample_rate)?;
    if loudest == 0 {
        return Err(
            Error::new(ErrorKind::Unusable, "is digital silence").help("record it again or leave it out")
        );
    }
    Ok(())
}
