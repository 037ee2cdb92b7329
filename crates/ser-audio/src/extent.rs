//! How much of what a decoder gives is the recording: what a container says of its length, of the delay of the encoder at its
//! start and of the padding at its end.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::formats::Track;

use crate::matroska::MatroskaLength;
use crate::mp4;
use crate::mpeg::FrameStream;
use crate::opus::OpusHead;
use crate::refusal::{COPY_AGAIN, cut_short, seconds, shorter_than_stated};

/// By how much, in seconds, a recording may be shorter than a duration that is stated beside its packets: two of AAC's frames
/// at 16,000 Hz, which is what encoders and writers of containers differ by.
const FRAMING_S: f64 = 0.15;

/// The longest delay of a codec that is left out as the container states it, nanoseconds: AAC and MP3 need a few thousand
/// samples. Opus has one of its own in its header, of up to 65,535 samples at 48 kHz.
const MAX_CODEC_DELAY_NS: u64 = 1_000_000_000;

/// How much of what is decoded is the recording.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// Frames that the decoder must give, at least.
    pub(super) promised: Option<u64>,
    /// How many may be missing without a complaint.
    pub(super) slack: u64,
    /// Whether what is decoded beyond `promised` is padding; other decoders have trimmed it themselves.
    pub(super) trim: bool,
    /// Frames of encoder delay at the start.
    pub(super) skip: u64,
    /// At most this many frames after `skip` are audible.
    pub(super) keep: Option<u64>,
    /// Frames of padding at the end.
    pub(super) discard: u64,
    /// Whether the end of the file, which is after a whole element, is that of the recording.
    pub(super) is_open: bool,
    /// A length in seconds that is stated beside the packets; 0 where none is.
    pub(super) stated_s: f64,
}

impl Extent {
    /// Checks the length of `mono` and trims it.
    pub(super) fn apply(&self, mono: &mut Vec<f32>, sample_rate: u32) -> Result<()> {
        let decoded = mono.len() as u64;
        if let Some(promised) = self.promised {
            if decoded.saturating_add(self.slack) < promised {
                return Err(cut_short(promised, decoded, sample_rate));
            }
            if self.trim {
                mono.truncate(usize::try_from(promised).unwrap_or(usize::MAX));
            }
        }
        if seconds(decoded, sample_rate) + FRAMING_S < self.stated_s {
            return Err(shorter_than_stated(self.stated_s, decoded, sample_rate));
        }
        let discard = usize::try_from(self.discard).unwrap_or(usize::MAX);
        mono.truncate(mono.len().saturating_sub(discard));
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(mono.len());
        mono.drain(..skip);
        if let Some(keep) = self.keep {
            mono.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        }
        Ok(())
    }
}

/// Of a stream of bare frames, whose first one may be a table; `stated` is the number of samples that such a table gives.
pub(super) fn frames_extent(stream: &FrameStream<'_>, track: &Track, stated: Option<u64>) -> Result<Extent> {
    let delay = u64::from(track.delay.unwrap_or(0));
    let Some(stated) = stated else {
        // Every frame is there. One may be a table without a count, and the delay is trimmed by the decoder.
        let promised = Some(stream.frames.saturating_mul(stream.frame_length));
        return Ok(Extent { promised, slack: stream.frame_length + delay, ..Extent::default() });
    };
    // One frame holds the table, and some encoders count that one too.
    let counted =
        (stated + delay + u64::from(track.padding.unwrap_or(0))).div_ceil(stream.frame_length.max(1));
    if stream.frames > counted + 1 {
        return Err(more_than_promised());
    }
    let slack = if track.delay.is_some() { 0 } else { stream.frame_length };
    Ok(Extent { promised: Some(stated), slack, ..Extent::default() })
}

/// The error for a file with more audio than its header says.
pub(super) fn more_than_promised() -> Error {
    Error::new(ErrorKind::Damaged, "holds more audio than its header says, as if joined from several files")
        .help("split it or encode it again")
}

/// What an Opus stream's identification header says.
pub(super) fn opus_head(parameters: &AudioCodecParameters) -> Result<OpusHead> {
    OpusHead::parse(parameters.extra_data.as_deref().unwrap_or_default())
}

/// Of a track of Matroska. A stated duration is rounded to a millisecond, and counts whole packets; the last tenth of a
/// second is not held against the audio.
pub(super) fn matroska_extent(
    length: &MatroskaLength,
    track: u32,
    parameters: &AudioCodecParameters,
) -> Result<Extent> {
    let rate = parameters.sample_rate.unwrap_or(0);
    let in_samples = |seconds: f64| (seconds * f64::from(rate)).max(0.0) as u64;
    let promised = length.duration_s.map(in_samples);
    let skip = match parameters.codec {
        CODEC_ID_OPUS => u64::from(opus_head(parameters)?.pre_skip),
        // Its decoder leaves the delay out by itself.
        CODEC_ID_VORBIS => 0,
        // Nanoseconds, rounded from a whole number of samples.
        _ => {
            let delay_ns = codec_delay_ns(length, track)?;
            (delay_ns.saturating_mul(u64::from(rate)) + 500_000_000) / 1_000_000_000
        }
    };
    let discard = in_samples(length.discard_ns as f64 / 1e9);
    let slack = u64::from(rate / 10);
    Ok(Extent { promised, slack, skip, discard, is_open: length.is_open, ..Extent::default() })
}

/// The delay that is stated for the codec of a track of Matroska, nanoseconds.
///
/// # Errors
/// `Damaged` above [`MAX_CODEC_DELAY_NS`].
fn codec_delay_ns(length: &MatroskaLength, track: u32) -> Result<u64> {
    let delay_ns = length.codec_delays_ns.get(&track).copied().unwrap_or(0);
    if delay_ns > MAX_CODEC_DELAY_NS {
        let in_seconds = |ns: u64| ns as f64 / 1e9;
        let (stated, most) = (in_seconds(delay_ns), in_seconds(MAX_CODEC_DELAY_NS));
        let what = format!(
            "is corrupt: it states a codec delay of {stated:.3} s, where at most {most:.3} s is allowed"
        );
        return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
    }
    Ok(delay_ns)
}

/// Of a track of an MP4: its edit list says what is heard.
pub(super) fn mp4_extent(
    bytes: &[u8],
    track: &Track,
    parameters: &AudioCodecParameters,
    stated_s: f64,
) -> Result<Extent> {
    let stated = track.num_frames.filter(|&frames| frames > 0);
    let rate = u64::from(parameters.sample_rate.unwrap_or(0));
    let edit = mp4::edit(bytes, track.id)?;
    // Only where the track counts in samples, which `stated` tells, is its edit list exact enough to cut by.
    let (Some(edit), Some(_), 1..) = (edit, stated, rate) else {
        // Without an edit list, only the header of Opus says what comes before the recording.
        let is_opus = edit.is_none() && parameters.codec == CODEC_ID_OPUS;
        let skip = if is_opus { opus_head(parameters)?.pre_skip.into() } else { 0 };
        return Ok(Extent { promised: stated, trim: true, skip, stated_s, ..Extent::default() });
    };
    let scale = u64::from(edit.movie_timescale.max(1));
    // A movie time scale coarser than the sample rate has rounded the duration; keep what may be audio.
    let rounding = if scale.is_multiple_of(rate) { 0 } else { rate.div_ceil(scale) };
    let heard = edit.duration.saturating_mul(rate).div_ceil(scale).saturating_add(rounding);
    let keep = (edit.duration > 0).then_some(heard);
    Ok(Extent { promised: stated, trim: true, skip: edit.start, keep, stated_s, ..Extent::default() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use symphonia::core::codecs::audio::AudioCodecId;
    use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;

    use super::*;

    /// Samples left out at the beginning of track 1 of a Matroska file at 48 kHz, whose tracks state these delays.
    fn skip(codec: AudioCodecId, delays_ns: &[(u32, u64)]) -> Result<u64> {
        let delays = BTreeMap::from_iter(delays_ns.iter().copied());
        let length = MatroskaLength { codec_delays_ns: delays, ..MatroskaLength::default() };
        let mut parameters = AudioCodecParameters::new();
        parameters.codec = codec;
        parameters.sample_rate = Some(48_000);
        // One channel, and 57,600 samples, 1.2 s, before the recording begins.
        parameters.extra_data = Some(Box::from(*b"OpusHead\x01\x01\x00\xe1\x80\xbb\0\0\0\0\0"));
        matroska_extent(&length, 1, &parameters).map(|extent| extent.skip)
    }

    #[test]
    fn a_codec_delay_is_limited_only_where_it_is_used() {
        assert_eq!(skip(CODEC_ID_AAC, &[(1, 44_000_000)]).unwrap(), 2_112);
        assert_eq!(skip(CODEC_ID_AAC, &[(1, 1_000_000_000)]).unwrap(), 48_000);
        assert_eq!(skip(CODEC_ID_AAC, &[(2, 1_200_000_000)]).unwrap(), 0);
        assert_eq!(skip(CODEC_ID_OPUS, &[(1, 1_200_000_000)]).unwrap(), 57_600);
        assert_eq!(skip(CODEC_ID_VORBIS, &[(1, 1_200_000_000)]).unwrap(), 0);
    }

    #[test]
    fn a_codec_delay_that_is_too_long_is_refused_with_the_limit() {
        let error = skip(CODEC_ID_AAC, &[(1, 1_250_000_000)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        let said = error.to_string();
        assert!(said.contains("a codec delay of 1.250 s, where at most 1.000 s is allowed"), "{said}");
    }
}
