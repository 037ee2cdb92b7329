//! Compressed recordings, by symphonia's demuxers and decoders: FLAC, MP3, Ogg, MP4, CAF, ADTS and Matroska.
//!
//! The reader for the container is named outright. Symphonia's probe would search the first MiB of any file for
//! something that looks like audio, and would find an MP3 frame in many a text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::{Error as SymphoniaError, Result as SymphoniaResult};
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes, ReadOnlySource};
use symphonia::core::packet::Packet;
use symphonia::default::formats::{
    AdtsReader, CafReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader,
};

use crate::extent::{Extent, frames_extent, matroska_extent, more_than_promised, mp4_extent, opus_head};
use crate::guard::Deadline;
use crate::matroska::MatroskaLength;
use crate::mix::Mixer;
use crate::mpeg::FrameStream;
use crate::opus::OpusDecoder;
use crate::pcm::take;
use crate::refusal::{
    COPY_AGAIN, Format, check_channels, check_format, decoder_error, max_frames, seconds,
    shorter_than_promised, too_long,
};
use crate::{Container, Limits, matroska, mp4, mpeg, ogg, vorbis};

/// Frames that the header of a stream may declare for one packet. Decoders allocate by it; the largest real
/// one is FLAC's, with 65,535.
const MAX_PACKET_FRAMES: u64 = 1 << 17;

/// Packets in a row that may decode to nothing before the file counts as damaged.
const MAX_EMPTY_PACKETS: u32 = 64;

/// Decodes and mixes down a whole file, appending to `mono`.
pub(super) fn decode(
    bytes: &[u8],
    container: Container,
    limits: &Limits,
    mixer: &mut Mixer,
    mono: &mut Vec<f32>,
) -> Result<Format> {
    let deadline = Deadline::new(limits);
    let source = Source::of(bytes, container)?;
    let mut reader = source.reader().map_err(header_error)?;
    let (track, parameters) = audio_track(reader.as_ref())?;
    let extent = source.extent(&track, &parameters)?;
    let (format, packets) =
        decode_track(reader.as_mut(), &track, &parameters, &extent, (limits, &deadline, mixer), mono)?;
    source.check_complete(track.id, packets, &extent, mono.len() as u64, format.sample_rate)?;
    extent.apply(mono, format.sample_rate)?;
    Ok(format)
}

/// A file whose outer structure has been checked.
enum Source<'a> {
    /// `frame_bytes` is the size of everything after the metadata.
    Flac {
        bytes: &'a [u8],
        frame_bytes: u64,
    },
    Mp3(FrameStream<'a>),
    Adts(FrameStream<'a>),
    Ogg(&'a [u8]),
    Mp4 {
        bytes: Cow<'a, [u8]>,
        /// Samples (access units) of each track, by its ID.
        samples: BTreeMap<u32, u64>,
        /// The longest duration, in seconds, that is stated for each track outside of its samples, by its ID.
        stated: BTreeMap<u32, f64>,
    },
    Caf(&'a [u8]),
    Matroska(&'a [u8], MatroskaLength),
}

impl<'a> Source<'a> {
    fn of(bytes: &'a [u8], container: Container) -> Result<Self> {
        Ok(match container {
            Container::Flac => {
                let bytes = bytes
                    .get(mpeg::after_id3v2(bytes)..mpeg::without_trailing_tags(bytes))
                    .unwrap_or_default();
                Self::Flac { bytes, frame_bytes: flac_frame_bytes(bytes)? }
            }
            Container::Mp3 => Self::Mp3(mpeg::mp3_frames(bytes)?),
            Container::Adts => Self::Adts(mpeg::adts_frames(bytes)?),
            Container::Ogg => {
                ogg::check_pages(bytes)?;
                Self::Ogg(bytes)
            }
            Container::Mp4 => {
                mp4::check_boxes(bytes)?;
                Self::Mp4 {
                    samples: mp4::samples_of_tracks(bytes),
                    stated: mp4::stated_durations(bytes),
                    bytes: mp4::without_segment_indexes(bytes),
                }
            }
            Container::Caf => Self::Caf(bytes),
            Container::Matroska => Self::Matroska(bytes, matroska::check_elements(bytes)?),
            Container::Wav | Container::Aiff => {
                return Err(Error::new(ErrorKind::Unsupported, "is sample data"));
            }
        })
    }

    /// How many packets a track has, where the container's own structure tells.
    fn packets(&self, track: u32) -> Option<u64> {
        match self {
            Self::Mp4 { samples, .. } => samples.get(&track).copied(),
            Self::Matroska(_, length) => length.packets.get(&track).copied(),
            _ => None,
        }
    }

    /// Refuses a file of which less was read than its structure says, or of FLAC more: `packets` of `track`, which gave
    /// `decoded` frames.
    fn check_complete(
        &self,
        track: u32,
        packets: Packets,
        extent: &Extent,
        decoded: u64,
        rate: u32,
    ) -> Result<()> {
        if let Some(stated) = self.packets(track).filter(|stated| packets.count < *stated) {
            let what = format!(
                "states {stated} packets of audio, of which {} could be read, the first {:.3} s",
                packets.count,
                seconds(decoded, rate)
            );
            return Err(Error::new(ErrorKind::Damaged, what).help("copy it again, or convert it to WAV"));
        }
        let Self::Flac { frame_bytes, .. } = self else { return Ok(()) };
        if packets.bytes < *frame_bytes {
            // Frames that failed their checksum were skipped, or the last one is incomplete.
            let missing = frame_bytes - packets.bytes;
            let what = format!("is cut short or corrupt: {missing} bytes of it are not FLAC frames");
            return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
        }
        match extent.promised.is_some_and(|promised| decoded > promised) {
            true => Err(more_than_promised()),
            false => Ok(()),
        }
    }

    fn reader(&self) -> SymphoniaResult<Box<dyn FormatReader + '_>> {
        let options = FormatOptions::default();
        fn seekable(bytes: &[u8]) -> MediaSourceStream<'_> {
            stream(Box::new(Cursor::new(bytes)))
        }
        // From a source that can seek, the readers of bare frames would estimate the length and cut there.
        let forward = |bytes: &'a [u8]| stream(Box::new(ReadOnlySource::new(bytes)));
        Ok(match self {
            Self::Flac { bytes, .. } => Box::new(FlacReader::try_new(seekable(bytes), options)?),
            Self::Ogg(bytes) => Box::new(OggReader::try_new(seekable(bytes), options)?),
            Self::Caf(bytes) => Box::new(CafReader::try_new(seekable(bytes), options)?),
            Self::Matroska(bytes, _) => Box::new(MkvReader::try_new(seekable(bytes), options)?),
            Self::Mp4 { bytes, .. } => {
                let mut stream = seekable(bytes);
                // The reader expects to be just after the size of the first box, where the probe would leave it.
                stream.ignore_bytes(4)?;
                Box::new(IsoMp4Reader::try_new(stream, options)?)
            }
            Self::Mp3(FrameStream { bytes, .. }) => Box::new(MpaReader::try_new(forward(bytes), options)?),
            Self::Adts(FrameStream { bytes, .. }) => Box::new(AdtsReader::try_new(forward(bytes), options)?),
        })
    }

    /// What the container says about the length of the audio.
    fn extent(&self, track: &Track, parameters: &AudioCodecParameters) -> Result<Extent> {
        let stated = track.num_frames.filter(|&frames| frames > 0);
        match self {
            Self::Mp3(stream) | Self::Adts(stream) => frames_extent(stream, track, stated),
            Self::Mp4 { bytes, stated, .. } => {
                let stated_s = stated.get(&track.id).copied().unwrap_or(0.0);
                mp4_extent(bytes, track, parameters, stated_s)
            }
            Self::Matroska(_, length) => matroska_extent(length, track.id, parameters),
            // The packet table counts without the delay, which is still in the packets. All packets are there, or
            // the demuxer would have complained; some encoders count the last one as a full one.
            Self::Caf(_) => {
                let skip = u64::from(track.delay.unwrap_or(0));
                let slack =
                    parameters.frames_per_block.filter(|_| parameters.extra_data.is_some()).unwrap_or(0);
                let promised = stated.map(|frames| frames.saturating_add(skip));
                Ok(Extent { promised, slack, trim: true, skip, ..Extent::default() })
            }
            // The end is trimmed packet by packet; what comes before the beginning is not.
            Self::Ogg(_) if parameters.codec == CODEC_ID_OPUS => {
                let skip = u64::from(opus_head(parameters)?.pre_skip);
                Ok(Extent { promised: stated, skip, ..Extent::default() })
            }
            // The decoders of Ogg and FLAC trim by themselves.
            Self::Ogg(_) | Self::Flac { .. } => Ok(Extent { promised: stated, ..Extent::default() }),
        }
    }
}

fn stream<'a>(source: Box<dyn MediaSource + 'a>) -> MediaSourceStream<'a> {
    MediaSourceStream::new(source, Default::default())
}

fn header_error(error: SymphoniaError) -> Error {
    match error {
        SymphoniaError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            let what = "is cut short: it ends before the end of data that its header gives";
            Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN).caused_by(io)
        }
        other => decoder_error(other, 0, 1),
    }
}

fn audio_track(reader: &dyn FormatReader) -> Result<(Track, AudioCodecParameters)> {
    let audio = |track: &Track| match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => Some((track.clone(), parameters.clone())),
        _ => None,
    };
    let mut tracks = reader.tracks().iter().filter_map(audio);
    match (tracks.next(), tracks.count()) {
        (Some(only), 0) => Ok(only),
        (Some(_), others) => {
            let what = format!("holds {} audio tracks, and nothing says which one is meant", others + 1);
            Err(Error::new(ErrorKind::Unsupported, what)
                .help("export the one that is meant to a file of its own"))
        }
        (None, _) if reader.tracks().is_empty() => {
            Err(Error::new(ErrorKind::Unsupported, "holds no audio that can be decoded")
                .help("convert it to WAV or FLAC"))
        }
        (None, _) => {
            Err(Error::new(ErrorKind::Unsupported, "holds no sound that can be decoded, only other tracks")
                .help("take it out of the corpus, or use the recording of its sound"))
        }
    }
}

/// Rejects what would make a decoder allocate far too much before it has decoded anything.
fn check_sizes(parameters: &AudioCodecParameters) -> Result<()> {
    let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count().max(1));
    check_channels(channels)?;
    if parameters.max_frames_per_packet.is_some_and(|frames| frames > MAX_PACKET_FRAMES) {
        return Err(Error::new(ErrorKind::Damaged, "declares impossibly long packets").help(COPY_AGAIN));
    }
    match &parameters.extra_data {
        Some(headers) if parameters.codec == CODEC_ID_VORBIS => vorbis::check_codebooks(headers),
        _ => Ok(()),
    }
}

/// What was read of a track.
#[derive(Debug, Clone, Copy, Default)]
struct Packets {
    count: u64,
    bytes: u64,
}

/// The decoder for a track: symphonia's, or for Opus, which it has none for, ropus.
fn make_decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>> {
    if parameters.codec == CODEC_ID_OPUS {
        return Ok(Box::new(OpusDecoder::new(parameters, opus_head(parameters)?)?));
    }
    let options = AudioDecoderOptions::default().verify(true);
    let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
    symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(|error| {
        if parameters.codec == CODEC_ID_AAC && channels > 2 {
            let what = format!("is AAC with {channels} channels; 1 and 2 are handled");
            return Error::new(ErrorKind::Unsupported, what)
                .help("mix it down, or convert it to WAV or FLAC");
        }
        decoder_error(error, 0, parameters.sample_rate.unwrap_or(0))
    })
}

/// Decodes all packets of a track; gives the format and what was read.
fn decode_track(
    reader: &mut dyn FormatReader,
    track: &Track,
    parameters: &AudioCodecParameters,
    extent: &Extent,
    (limits, deadline, mixer): (&Limits, &Deadline, &mut Mixer),
    mono: &mut Vec<f32>,
) -> Result<(Format, Packets)> {
    check_sizes(parameters)?;
    let stated_rate = parameters.sample_rate.unwrap_or(0);
    let mut decoder = make_decoder(parameters)?;
    let mut format: Option<Format> = None;
    let mut packets = Packets::default();
    let mut empty_packets = 0;
    loop {
        let done = mono.len();
        let rate = format.as_ref().map_or(stated_rate, |format| format.sample_rate);
        deadline.check(seconds(done as u64, rate))?;
        let Some(packet) = next_packet(reader, extent, done, rate)? else { break };
        if packet.track_id != track.id {
            continue;
        }
        packets.count += 1;
        packets.bytes += packet.data.len() as u64;
        let decoded = decoder.decode(&packet).map_err(|error| decoder_error(error, done, rate))?;
        if decoded.frames() == 0 {
            empty_packets += 1;
            if empty_packets > MAX_EMPTY_PACKETS {
                return Err(Error::new(ErrorKind::Damaged, "is a stream of empty packets").help(COPY_AGAIN));
            }
            continue;
        }
        empty_packets = 0;
        let sample_rate = decoded.spec().rate();
        format = Some(same_format(format, &decoded, done)?);
        mixer.mix_down(&decoded, mono);
        if mono.len() as u64 > most_decoded(limits, sample_rate, extent.skip) {
            return Err(too_long(extent.promised, limits, sample_rate));
        }
    }
    if decoder.finalize().verify_ok == Some(false) {
        let what = "is corrupt: the checksum of its samples (MD5) does not match";
        return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
    }
    let codec = decoder.codec_info().short_name;
    let format = match format {
        Some(format) => Format { codec, ..format },
        // Not one frame was decoded: fine if none was promised, which the caller refuses by itself.
        None if extent.promised.unwrap_or(0) == 0 => Format { codec, sample_rate: stated_rate, channels: 0 },
        None => return Err(shorter_than_promised(extent.promised, 0, stated_rate)),
    };
    Ok((format, packets))
}

/// The next packet, of any track, after `done` frames of the wanted one; nothing at the end.
fn next_packet(
    reader: &mut dyn FormatReader,
    extent: &Extent,
    done: usize,
    rate: u32,
) -> Result<Option<Packet>> {
    match reader.next_packet() {
        Ok(packet) => Ok(packet),
        Err(SymphoniaError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            match extent.is_open {
                true => Ok(None),
                false => Err(shorter_than_promised(extent.promised, done as u64, rate)),
            }
        }
        Err(error) => Err(decoder_error(error, done, rate)),
    }
}

/// How many frames may be decoded before a recording is too long: as many as the limits allow, and the delay of `skip` frames
/// before them. The delay counts for at most one second, or the longest recording allowed if that is more.
fn most_decoded(limits: &Limits, sample_rate: u32, skip: u64) -> u64 {
    let most = max_frames(limits, sample_rate);
    most.saturating_add(skip.min(most.max(u64::from(sample_rate))))
}

/// The format of a packet that was decoded after `done` frames, which is `first` if there were any before it.
fn same_format(first: Option<Format>, decoded: &GenericAudioBufferRef<'_>, done: usize) -> Result<Format> {
    let (sample_rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
    let Some(first) = first else {
        check_format(sample_rate, channels)?;
        let channels = u16::try_from(channels).unwrap_or(u16::MAX);
        return Ok(Format { codec: "", sample_rate, channels });
    };
    if first.sample_rate != sample_rate || usize::from(first.channels) != channels {
        let at = seconds(done as u64, first.sample_rate);
        let what = format!("changes its sample rate or its channels after {at:.3} s");
        return Err(Error::new(ErrorKind::Unsupported, what).help("split it where the format changes"));
    }
    Ok(first)
}

/// The size of everything after the metadata blocks (RFC 9639, section 8.1).
fn flac_frame_bytes(bytes: &[u8]) -> Result<u64> {
    let mut at = 4usize;
    loop {
        let Some([kind, size @ ..]) = take::<4>(bytes, at) else {
            return Err(Error::new(ErrorKind::Damaged, "is cut short inside its header").help(COPY_AGAIN));
        };
        let [high, middle, low] = size;
        at = at.saturating_add(4 + u32::from_be_bytes([0, high, middle, low]) as usize);
        if kind & 0x80 != 0 {
            return Ok((bytes.len() as u64).saturating_sub(at as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_of_any_length_lifts_no_limit() {
        let limits = Limits { max_duration_s: 2.0, ..Limits::default() };
        assert_eq!(most_decoded(&limits, 16_000, 1_024), 33_024);
        assert_eq!(most_decoded(&limits, 16_000, u64::MAX), 64_000);
        let limits = Limits { max_duration_s: 0.01, ..limits };
        assert_eq!(most_decoded(&limits, 16_000, 1_024), 1_184);
    }
}
