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
use symphonia::default::formats::{
    AdtsReader, CafReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader,
};

use crate::guard::Deadline;
use crate::matroska::MatroskaLength;
use crate::mix::Mixer;
use crate::mpeg::FrameStream;
use crate::opus::{OpusDecoder, OpusHead};
use crate::pcm::take;
use crate::refusal::{
    COPY_AGAIN, Format, check_channels, check_format, cut_short, decoder_error, max_frames, seconds,
    shorter_than_promised, shorter_than_stated, too_long,
};
use crate::{Container, Limits, matroska, mp4, mpeg, ogg, vorbis};

/// Frames that the header of a stream may declare for one packet. Decoders allocate by it; the largest real
/// one is FLAC's, with 65,535.
const MAX_PACKET_FRAMES: u64 = 1 << 17;

/// By how much, in seconds, a recording may be shorter than a duration that is stated beside its packets: two of AAC's frames
/// at 16,000 Hz, which is what encoders and writers of containers differ by.
const FRAMING_S: f64 = 0.15;

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
    if let Some(stated) = source.packets(track.id).filter(|stated| packets.count < *stated) {
        let what = format!(
            "states {stated} packets of audio, of which {} could be read, the first {:.3} s",
            packets.count,
            seconds(mono.len() as u64, format.sample_rate)
        );
        return Err(Error::new(ErrorKind::Damaged, what).help("copy it again, or convert it to WAV"));
    }
    let packet_bytes = packets.bytes;
    if let Source::Flac { frame_bytes, .. } = &source
        && packet_bytes < *frame_bytes
    {
        // Frames that failed their checksum were skipped, or the last one is incomplete.
        let what = format!(
            "is cut short or corrupt: {} bytes of it are not FLAC frames",
            frame_bytes - packet_bytes
        );
        return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
    }
    if matches!(source, Source::Flac { .. })
        && extent.promised.is_some_and(|promised| mono.len() as u64 > promised)
    {
        return Err(more_than_promised());
    }
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
            Self::Matroska(_, length) => matroska_extent(length, parameters),
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

/// How much of what is decoded is the recording.
#[derive(Debug, Default)]
struct Extent {
    /// Frames that the decoder must give, at least.
    promised: Option<u64>,
    /// How many may be missing without a complaint.
    slack: u64,
    /// Whether what is decoded beyond `promised` is padding; other decoders have trimmed it themselves.
    trim: bool,
    /// Frames of encoder delay at the start.
    skip: u64,
    /// At most this many frames after `skip` are audible.
    keep: Option<u64>,
    /// Frames of padding at the end.
    discard: u64,
    /// Whether the end of the file, which is after a whole element, is that of the recording.
    is_open: bool,
    /// A length in seconds that is stated beside the packets; 0 where none is.
    stated_s: f64,
}

impl Extent {
    /// Checks the length of `mono` and trims it.
    fn apply(&self, mono: &mut Vec<f32>, sample_rate: u32) -> Result<()> {
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

fn frames_extent(stream: &FrameStream<'_>, track: &Track, stated: Option<u64>) -> Result<Extent> {
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

fn more_than_promised() -> Error {
    Error::new(ErrorKind::Damaged, "holds more audio than its header says, as if joined from several files")
        .help("split it or encode it again")
}

/// What an Opus stream's identification header says.
fn opus_head(parameters: &AudioCodecParameters) -> Result<OpusHead> {
    OpusHead::parse(parameters.extra_data.as_deref().unwrap_or_default())
}

/// A stated duration is rounded to a millisecond, and counts whole packets; the last tenth of a second is not held against
/// the audio.
fn matroska_extent(length: &MatroskaLength, parameters: &AudioCodecParameters) -> Result<Extent> {
    let rate = parameters.sample_rate.unwrap_or(0);
    let in_samples = |seconds: f64| (seconds * f64::from(rate)).max(0.0) as u64;
    let promised = length.duration_s.map(in_samples);
    let skip = match parameters.codec == CODEC_ID_OPUS {
        true => u64::from(opus_head(parameters)?.pre_skip),
        false => 0,
    };
    let discard = in_samples(length.discard_ns as f64 / 1e9);
    let slack = u64::from(rate / 10);
    Ok(Extent { promised, slack, skip, discard, is_open: length.is_open, ..Extent::default() })
}

fn mp4_extent(
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
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(SymphoniaError::IoError(error))
                if extent.is_open && error.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                break;
            }
            Err(SymphoniaError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(shorter_than_promised(extent.promised, done as u64, rate));
            }
            Err(error) => return Err(decoder_error(error, done, rate)),
        };
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
        let (sample_rate, channels) = spec_of(&decoded);
        match &format {
            None => {
                check_format(sample_rate, channels)?;
                let channels = u16::try_from(channels).unwrap_or(u16::MAX);
                format = Some(Format { codec: "", sample_rate, channels });
            }
            Some(first) if first.sample_rate != sample_rate || usize::from(first.channels) != channels => {
                let at = done as f64 / f64::from(rate.max(1));
                let what = format!("changes its sample rate or its channels after {at:.3} s");
                return Err(
                    Error::new(ErrorKind::Unsupported, what).help("split it where the format changes")
                );
            }
            Some(_) => {}
        }
        mixer.mix_down(&decoded, mono);
        if mono.len() as u64 > max_frames(limits, sample_rate).saturating_add(extent.skip) {
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

fn spec_of(decoded: &GenericAudioBufferRef<'_>) -> (u32, usize) {
    (decoded.spec().rate(), decoded.spec().channels().count())
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
