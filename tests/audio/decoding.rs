//! Recordings in every container and codec, whole and damaged, and the corpus as it really is.

use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ser_audio::{Container, DecodedRecording, LevelNormalisation, Limits, Loader, decode, read_file};
use ser_core::{Error, ErrorKind};

mod making {
    //! Recordings written by hand, header field by header field.

    pub(crate) fn noise(frames: usize, channels: usize) -> Vec<i32> {
        // Full-scale 32-bit samples from a small multiplicative generator.
        let mut state = 0x2545_f491u32;
        (0..frames * channels)
            .map(|_| {
                state = state.wrapping_mul(0x915f_77f5).wrapping_add(0x3c6e_f35f);
                state as i32
            })
            .collect()
    }

    pub(crate) fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut chunk = id.to_vec();
        chunk.extend((content.len() as u32).to_le_bytes());
        chunk.extend(content);
        chunk.extend(vec![0; content.len() % 2]);
        chunk
    }

    pub(crate) fn chunk_be(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = chunk(id, content);
        bytes[4..8].reverse();
        bytes
    }

    pub(crate) fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let align = channels * bits.div_ceil(8);
        let mut fmt = tag.to_le_bytes().to_vec();
        fmt.extend(channels.to_le_bytes());
        fmt.extend(rate.to_le_bytes());
        fmt.extend((rate * u32::from(align)).to_le_bytes());
        fmt.extend(align.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        fmt
    }

    pub(crate) fn extensible(tag: u16, channels: u16, rate: u32, bits: u16, valid_bits: u16) -> Vec<u8> {
        let mut extensible = fmt(0xfffe, channels, rate, bits);
        extensible.extend(22u16.to_le_bytes());
        extensible.extend(valid_bits.to_le_bytes());
        extensible.extend(0u32.to_le_bytes());
        extensible.extend(tag.to_le_bytes());
        extensible.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        extensible
    }

    pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        let mut riff = b"RIFF".to_vec();
        riff.extend((body.len() as u32 + 4).to_le_bytes());
        riff.extend(b"WAVE");
        riff.extend(body);
        riff
    }

    /// The upper `bits` of each sample, in WAV's byte order (8 bits are unsigned there).
    pub(crate) fn pcm(samples: &[i32], bits: u16) -> Vec<u8> {
        let little_endian = |&sample: &i32| match bits {
            8 => vec![((sample >> 24) + 128) as u8],
            _ => sample.to_le_bytes()[4 - usize::from(bits.div_ceil(8))..].to_vec(),
        };
        samples.iter().flat_map(little_endian).collect()
    }

    pub(crate) fn wav(samples: &[i32], channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        riff(&[chunk(b"fmt ", &fmt(1, channels, rate, bits)), chunk(b"data", &pcm(samples, bits))])
    }

    pub(crate) fn float_wav(samples: &[f32], rate: u32) -> Vec<u8> {
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        riff(&[chunk(b"fmt ", &fmt(3, 1, rate, 32)), chunk(b"data", &data)])
    }

    /// An 80-bit extended number for a whole rate.
    pub(crate) fn extended(rate: u32) -> Vec<u8> {
        let shift = rate.leading_zeros();
        let mut bytes = (16_383 + 31 - shift as u16).to_be_bytes().to_vec();
        bytes.extend((u64::from(rate) << (32 + shift)).to_be_bytes());
        bytes
    }

    /// `compression` makes it an AIFF-C; the data are bytes as they are in the file.
    pub(crate) fn aiff(
        data: &[u8],
        frames: u32,
        channels: u16,
        rate: u32,
        bits: u16,
        compression: Option<&[u8; 4]>,
    ) -> Vec<u8> {
        let mut common = channels.to_be_bytes().to_vec();
        common.extend(frames.to_be_bytes());
        common.extend(bits.to_be_bytes());
        common.extend(extended(rate));
        if let Some(compression) = compression {
            common.extend(compression);
            common.extend([0, 0]);
        }
        let mut sound = vec![0; 8];
        sound.extend(data);
        let chunks = [chunk_be(b"COMM", &common), chunk_be(b"SSND", &sound)].concat();
        let mut aiff = b"FORM".to_vec();
        aiff.extend((chunks.len() as u32 + 4).to_be_bytes());
        aiff.extend(if compression.is_some() { b"AIFC" } else { b"AIFF" });
        aiff.extend(chunks);
        aiff
    }

    /// An element of Matroska.
    pub(crate) fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        let size = content.len() as u32 | 1 << 28;
        [id, &size.to_be_bytes(), content].concat()
    }

    /// The frames of an ADTS stream of 16,000 Hz and one channel in Matroska, by an encoder with this delay.
    pub(crate) fn aac_in_matroska(mut adts: &[u8], delay_ns: u32) -> Vec<u8> {
        let mut cluster = element(b"\xe7", &[0]);
        for time_ms in (0i16..).step_by(64) {
            if adts.is_empty() {
                break;
            }
            let [high, middle, low] = [adts[3] & 3, adts[4], adts[5] >> 5].map(usize::from);
            let (frame, rest) = adts.split_at(high << 11 | middle << 3 | low);
            let [time, time_low] = time_ms.to_be_bytes();
            cluster.extend(element(b"\xa3", &[&[0x81, time, time_low, 0x80][..], &frame[7..]].concat()));
            adts = rest;
        }
        let rate_and_channels = [element(b"\xb5", &16_000f32.to_be_bytes()), element(b"\x9f", &[1])];
        let track = [
            element(b"\xd7", &[1]),
            element(b"\x73\xc5", &[1]),
            element(b"\x83", &[2]),
            element(b"\x86", b"A_AAC"),
            element(b"\x63\xa2", &[0x14, 0x08]),
            element(b"\x56\xaa", &delay_ns.to_be_bytes()),
            element(b"\xe1", &rate_and_channels.concat()),
        ];
        let info = [
            element(b"\x2a\xd7\xb1", &1_000_000u32.to_be_bytes()),
            element(b"\x4d\x80", b"a test"),
            element(b"\x57\x41", b"a test"),
        ];
        let segment = [
            element(b"\x15\x49\xa9\x66", &info.concat()),
            element(b"\x16\x54\xae\x6b", &element(b"\xae", &track.concat())),
            element(b"\x1f\x43\xb6\x75", &cluster),
        ];
        let header = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"matroska"));
        [header, element(b"\x18\x53\x80\x67", &segment.concat())].concat()
    }

    /// The upper `bits` of each sample, signed and big-endian.
    pub(crate) fn pcm_be(samples: &[i32], bits: u16) -> Vec<u8> {
        samples
            .iter()
            .flat_map(|sample| sample.to_be_bytes()[..usize::from(bits.div_ceil(8))].to_vec())
            .collect()
    }
}

fn decoded(bytes: &[u8]) -> (DecodedRecording, Vec<f32>) {
    let mut mono = Vec::new();
    let recording = decode(bytes, &Limits::default(), &mut mono).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(recording.samples, mono.len() as u64);
    (recording, mono)
}

fn refused(bytes: &[u8]) -> Error {
    refused_within(bytes, &Limits::default())
}

fn refused_within(bytes: &[u8], limits: &Limits) -> Error {
    let mut mono = Vec::new();
    match decode(bytes, limits, &mut mono) {
        Ok(recording) => panic!("accepted as {recording:?}"),
        Err(error) => error,
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// What the upper `bits` of 32-bit samples are as numbers, and the mean over channels.
fn expected(samples: &[i32], channels: usize, bits: u32) -> Vec<f32> {
    let value = |&sample: &i32| f64::from(sample >> (32 - bits)) / f64::from(1u32 << (bits - 1));
    let mean = |frame: &[i32]| (frame.iter().map(value).sum::<f64>() / channels as f64) as f32;
    samples.chunks(channels).map(mean).collect()
}

fn signal_to_noise_db(reference: &[f32], samples: &[f32]) -> f64 {
    assert_eq!(reference.len(), samples.len());
    let (mut signal, mut noise) = (0.0, 0.0);
    for (&x, &y) in reference.iter().zip(samples) {
        signal += f64::from(x) * f64::from(x);
        noise += f64::from(x - y) * f64::from(x - y);
    }
    10.0 * (signal / noise).log10()
}

// ---------------------------------------------------------------- samples are what the format says

#[test]
fn wav_integers_of_every_width_and_channel_count_are_exact() {
    for bits in [8, 16, 24, 32] {
        for channels in [1u16, 2, 3, 6, 27, 64] {
            let samples = making::noise(900, channels.into());
            let (recording, mono) = decoded(&making::wav(&samples, channels, 16_000, bits));
            assert_eq!(
                mono,
                expected(&samples, channels.into(), bits.into()),
                "{bits} bits, {channels} channels"
            );
            assert_eq!((recording.sample_rate, recording.channels), (16_000, channels));
            assert_eq!(recording.container, Container::Wav);
        }
    }
}

#[test]
fn the_extremes_of_every_width_are_in_the_half_open_range() {
    for bits in [8u16, 16, 24] {
        let mut samples = vec![i32::MIN, 0, i32::MAX];
        samples.extend(making::noise(1_000, 1));
        let (_, mono) = decoded(&making::wav(&samples, 1, 16_000, bits));
        assert_eq!(mono[0], -1.0);
        assert_eq!(mono[1], 0.0);
        assert_eq!(mono[2], 1.0 - 2f32.powi(1 - i32::from(bits)));
    }
}

#[test]
fn an_extensible_wav_is_decoded_by_the_width_of_its_container() {
    for (bits, valid) in [(16, 16), (24, 20), (24, 24), (32, 24), (32, 32)] {
        let samples = making::noise(1_000, 2);
        let fmt = making::extensible(1, 2, 48_000, bits, valid);
        let bytes = making::riff(&[
            making::chunk(b"fmt ", &fmt),
            making::chunk(b"data", &making::pcm(&samples, bits)),
        ]);
        let mut limits = Limits { min_duration_s: 0.0, ..Limits::default() };
        limits.max_duration_s = 1.0;
        let mut mono = Vec::new();
        decode(&bytes, &limits, &mut mono).unwrap();
        assert_eq!(mono, expected(&samples, 2, bits.into()), "{valid} bits in {bits}");
    }
    let mut foreign = making::extensible(1, 1, 16_000, 16, 16);
    foreign[30] ^= 1;
    let bytes = making::riff(&[making::chunk(b"fmt ", &foreign), making::chunk(b"data", &[1; 4_000])]);
    assert_eq!(refused(&bytes).kind(), ErrorKind::Unsupported);
}

#[test]
fn wav_floats_come_through_unchanged() {
    let samples: Vec<f32> = (0..2_000).map(|n| (n as f32 * 0.1).sin() * 1.5).collect();
    let (recording, mono) = decoded(&making::float_wav(&samples, 22_050));
    assert_eq!((recording.codec, mono.as_slice()), ("pcm_f32le", samples.as_slice()));

    let data: Vec<u8> = samples.iter().flat_map(|&sample| f64::from(sample).to_le_bytes()).collect();
    let bytes = making::riff(&[
        making::chunk(b"fmt ", &making::fmt(3, 1, 22_050, 64)),
        making::chunk(b"data", &data),
    ]);
    assert_eq!(decoded(&bytes).1, samples);
}

#[test]
fn aiff_integers_and_floats_are_exact() {
    let samples = making::noise(1_500, 2);
    for bits in [8, 16, 24, 32] {
        let bytes = making::aiff(&making::pcm_be(&samples, bits), 1_500, 2, 24_414, bits, None);
        let (recording, mono) = decoded(&bytes);
        assert_eq!(mono, expected(&samples, 2, bits.into()), "{bits} bits");
        assert_eq!((recording.container, recording.sample_rate), (Container::Aiff, 24_414));
    }
    // 12 valid bits stand left-justified in 16.
    let bytes = making::aiff(&making::pcm_be(&samples, 16), 1_500, 2, 24_414, 12, None);
    assert_eq!(decoded(&bytes).1, expected(&samples, 2, 16));
    for (compression, bits) in [(b"sowt", 16), (b"sowt", 24), (b"42ni", 24), (b"23ni", 32)] {
        let bytes = making::aiff(&making::pcm(&samples, bits), 1_500, 2, 24_414, bits, Some(compression));
        assert_eq!(decoded(&bytes).1, expected(&samples, 2, bits.into()), "{compression:?}");
    }
    let floats: Vec<f32> = (0..2_000).map(|n| (n as f32 * 0.1).cos()).collect();
    let narrow: Vec<u8> = floats.iter().flat_map(|x| x.to_be_bytes()).collect();
    let wide: Vec<u8> = floats.iter().flat_map(|&x| f64::from(x).to_be_bytes()).collect();
    assert_eq!(decoded(&making::aiff(&narrow, 2_000, 1, 16_000, 32, Some(b"fl32"))).1, floats);
    assert_eq!(decoded(&making::aiff(&wide, 2_000, 1, 16_000, 64, Some(b"FL64"))).1, floats);
    let error = refused(&making::aiff(&narrow, 2_000, 1, 16_000, 16, Some(b"MAC3")));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("MAC3"), "{error}");
}

#[test]
fn lossless_recordings_are_exact_in_every_container() {
    let (_, reference) = decoded(&fixture("chirp.wav"));
    assert_eq!(reference.len(), 8_000);
    for (name, container) in [
        ("chirp.flac", Container::Flac),
        ("chirp-pipe.flac", Container::Flac),
        ("chirp-ogg-flac.ogg", Container::Ogg),
        ("chirp-alac.m4a", Container::Mp4),
        ("chirp-alac.caf", Container::Caf),
        ("chirp.caf", Container::Caf),
        ("chirp-rf64.wav", Container::Wav),
        ("chirp-pipe.wav", Container::Wav),
        ("chirp-pipe-sox.wav", Container::Wav),
        ("chirp-pipe-sox.aiff", Container::Aiff),
    ] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!((recording.container, recording.sample_rate, recording.channels), (container, 16_000, 1));
        assert!(mono == reference, "{name}");
    }
    assert_eq!(decoded(&fixture("chirp-stereo.flac")).1, decoded(&fixture("chirp-stereo.wav")).1);
}

#[test]
fn lossy_recordings_begin_and_end_where_the_original_does() {
    let (_, reference) = decoded(&fixture("chirp.wav"));
    for (name, codec, at_least_db) in [
        ("chirp-info.mp3", "mp3", 25.0),
        ("chirp-tagged.mp3", "mp3", 25.0),
        ("chirp.ogg", "vorbis", 20.0),
        ("chirp-aac.m4a", "aac", 30.0),
        ("chirp-aac-faststart.m4a", "aac", 30.0),
        ("chirp-alaw.wav", "pcm_alaw", 35.0),
        ("chirp-mulaw.wav", "pcm_mulaw", 35.0),
        ("chirp-ima4.aifc", "adpcm_ima_qt", 20.0),
    ] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!((recording.codec, recording.samples), (codec, 8_000), "{name}");
        let quality = signal_to_noise_db(&reference, &mono);
        assert!(quality > at_least_db, "{name}: {quality:.1} dB");
    }
    let (_, stereo) = decoded(&fixture("chirp-stereo.wav"));
    for name in ["chirp-vbr-stereo.mp3", "chirp-stereo.ogg"] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!(recording.channels, 2);
        let quality = signal_to_noise_db(&stereo, &mono);
        assert!(quality > 20.0, "{name}: {quality:.1} dB");
    }
    // These fill up their last block, and their headers say so.
    for (name, samples) in [("chirp-adpcm-ms.wav", 8_144), ("chirp-adpcm-ima.wav", 8_164)] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!(recording.samples, samples);
        assert!(signal_to_noise_db(&reference, &mono[..8_000]) > 20.0, "{name}");
    }
}

#[test]
fn opus_is_what_ffmpeg_hears_in_ogg_and_in_webm() {
    let (_, heard) = decoded(&fixture("chirp-opus-by-ffmpeg.flac"));
    for name in ["chirp.opus", "chirp.webm"] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!((recording.codec, recording.sample_rate), ("opus", 48_000), "{name}");
        assert_eq!(recording.samples, heard.len() as u64, "{name}");
        let agreement = signal_to_noise_db(&heard, &mono);
        assert!(agreement > 50.0, "{name}: {agreement:.1} dB");
    }
    // A browser's recorder states neither the length nor the padding at the end.
    let (_, live) = decoded(&fixture("chirp-live.webm"));
    assert!((heard.len()..heard.len() + 960).contains(&live.len()), "{}", live.len());
    assert!(signal_to_noise_db(&heard, &live[..heard.len()]) > 50.0);
}

#[test]
fn what_a_container_states_beside_its_packets_is_held_against_them() {
    let error = refused(&{
        let mut bytes = fixture("chirp.webm");
        let duration = bytes.windows(3).position(|window| window == b"\x44\x89\x88").unwrap() + 3;
        bytes[duration..duration + 8].copy_from_slice(&2_000f64.to_be_bytes());
        bytes
    });
    assert!(error.to_string().contains("2.000 s"), "{error}");
    let error = refused(&{
        let mut bytes = fixture("chirp-aac.m4a");
        let header = bytes.windows(4).position(|window| window == b"mdhd").unwrap() + 4;
        bytes[header + 16..header + 20].copy_from_slice(&80_000u32.to_be_bytes());
        bytes
    });
    assert!(error.to_string().contains("by its times it lasts 5.000 s"), "{error}");
    // The index of a fragment is written before it: without the last fragments, theirs is still there.
    let bytes = fixture("chirp-dash.mp4");
    let fragments: Vec<usize> =
        (4..bytes.len()).filter(|&at| bytes[at..].starts_with(b"moof")).map(|at| at - 4).collect();
    assert!(fragments.len() > 3);
    let indexes: Vec<&[u8]> = (4..bytes.len())
        .filter(|&at| bytes[at..].starts_with(b"sidx"))
        .map(|at| &bytes[at - 4..][..usize::from(bytes[at - 1])])
        .collect();
    let cut = [&bytes[..fragments[1]], &indexes[2..].concat()].concat();
    let error = refused(&cut);
    assert!(error.to_string().contains("is cut short: by its times"), "{error}");
}

#[test]
fn a_second_recording_behind_the_first_is_not_passed_over() {
    let samples = making::noise(2_000, 1);
    let error = refused(&making::wav(&samples, 1, 16_000, 16).repeat(2));
    assert!(error.to_string().contains("several WAV files"), "{error}");
    let aiff = making::aiff(&making::pcm_be(&samples, 16), 2_000, 1, 16_000, 16, None);
    let error = refused(&aiff.repeat(2));
    assert!(error.to_string().contains("several AIFF files"), "{error}");
}

#[test]
fn a_video_that_is_longer_than_its_sound_does_not_make_the_sound_too_short() {
    let (_, mono) = decoded(&fixture("chirp-in-video.mkv"));
    let (_, reference) = decoded(&fixture("chirp.wav"));
    assert!(mono.len() >= 8_000 && signal_to_noise_db(&reference, &mono[..8_000]) > 20.0);
}

#[test]
fn opus_in_fragments_of_an_mp4_begins_where_its_header_says() {
    let (recording, mono) = decoded(&fixture("chirp-opus-fragments.mp4"));
    assert_eq!((recording.codec, recording.sample_rate), ("opus", 48_000));
    let (_, heard) = decoded(&fixture("chirp-opus-by-ffmpeg.flac"));
    assert!(signal_to_noise_db(&heard, &mono[..heard.len()]) > 50.0);
}

#[test]
fn matroska_holds_what_other_containers_hold() {
    let (_, reference) = decoded(&fixture("chirp.wav"));
    assert_eq!(decoded(&fixture("chirp-flac.mka")).1, reference);
    let (recording, vorbis) = decoded(&fixture("chirp-vorbis.mka"));
    assert_eq!((recording.container.to_string().as_str(), recording.codec), ("Matroska or WebM", "vorbis"));
    assert!(vorbis.len() >= 8_000 && signal_to_noise_db(&reference, &vorbis[..8_000]) > 20.0);
}

#[test]
fn the_delay_that_matroska_states_is_left_out() {
    let adts = fixture("chirp.aac");
    let (_, whole) = decoded(&adts);
    assert_eq!(decoded(&making::aac_in_matroska(&adts, 0)).1, whole);
    // 1,024 samples.
    let (recording, mono) = decoded(&making::aac_in_matroska(&adts, 64_000_000));
    assert_eq!((recording.codec, recording.container), ("aac", Container::Matroska));
    assert_eq!(mono, whole[1_024..]);
    let (_, reference) = decoded(&fixture("chirp.wav"));
    assert!(signal_to_noise_db(&reference, &mono[..8_000]) > 25.0);
    let error = refused(&making::aac_in_matroska(&adts, 3_000_000_000));
    let too_long = "delay of 3.000 s, where at most 1.000 s is allowed";
    assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains(too_long), "{error}");
}

#[test]
fn every_fragment_of_an_mp4_is_heard() {
    let (_, reference) = decoded(&fixture("chirp.wav"));
    for name in ["chirp-fragments.mp4", "chirp-dash.mp4"] {
        let (recording, mono) = decoded(&fixture(name));
        assert!((8_000..=8_000 + 2 * 1_024).contains(&recording.samples), "{name}: {}", recording.samples);
        // Where there is no edit list, the encoder's delay of 1,024 samples stays.
        let start = (0..=1_024).step_by(1_024).map(|start| {
            let end = (start + 8_000).min(mono.len());
            signal_to_noise_db(&reference[..end - start], &mono[start..end])
        });
        let quality = start.fold(f64::NEG_INFINITY, f64::max);
        assert!(quality > 25.0, "{name}: {quality:.1} dB");
    }
}

#[test]
fn an_mp4_whose_fragments_are_not_all_reached_is_refused() {
    // A fragment of the same track that the demuxer passes over: a whole box more of samples than can be read.
    let mut bytes = fixture("chirp-fragments.mp4");
    let run = bytes.windows(4).position(|window| window == b"trun").unwrap();
    let count = run + 8;
    let stated = u32::from_be_bytes(bytes[count..count + 4].try_into().unwrap());
    bytes[count..count + 4].copy_from_slice(&(stated + 1000).to_be_bytes());
    refused(&bytes);
}

#[test]
fn of_channels_that_cancel_each_other_the_loudest_is_used() {
    // With room for sums of two.
    let quiet = |samples: &[i32]| -> Vec<i32> { samples.iter().map(|sample| sample / 4).collect() };
    let voice = quiet(&making::noise(4_000, 1));
    let other = quiet(&making::noise(4_001, 1)[1..]);
    let stereo = |right: &dyn Fn(usize) -> i32| {
        let samples: Vec<i32> = (0..voice.len()).flat_map(|index| [voice[index], right(index)]).collect();
        decoded(&making::wav(&samples, 2, 16_000, 16))
    };
    let (_, alone) = decoded(&making::wav(&voice, 1, 16_000, 16));
    let (recording, mono) = stereo(&|index| -voice[index]);
    assert_eq!((recording.channels, recording.only_channel), (2, Some(1)));
    assert_eq!(mono, alone);
    // Nearly opposite, with a little noise of its own; the second channel is the louder one.
    let louder: Vec<i32> = voice.iter().zip(&other).map(|(x, y)| -x - x / 8 + y / 8).collect();
    let (recording, mono) = stereo(&|index| louder[index]);
    assert_eq!(recording.only_channel, Some(2));
    assert_eq!(mono, decoded(&making::wav(&louder, 1, 16_000, 16)).1);
    // Unrelated channels, a silent one, and a clearly but not fully opposed one are mixed.
    for right in [other.clone(), vec![0; 4_000], voice.iter().zip(&other).map(|(x, y)| y - x / 2).collect()] {
        assert_eq!(stereo(&|index| right[index]).0.only_channel, None);
    }
}

#[test]
fn a_wav_with_two_data_chunks_is_refused() {
    let samples = making::noise(2_000, 1);
    let fmt = making::chunk(b"fmt ", &making::fmt(1, 1, 16_000, 16));
    let data = making::chunk(b"data", &making::pcm(&samples, 16));
    let list = making::chunk(b"LIST", b"INFO");
    for chunks in [vec![fmt.clone(), data.clone(), data.clone()], vec![fmt, data.clone(), list, data]] {
        let error = refused(&making::riff(&chunks));
        assert!(error.to_string().contains("two data chunks"), "{error}");
    }
}

#[test]
fn a_stream_that_states_no_delay_keeps_it() {
    let (_, reference) = decoded(&fixture("chirp.wav"));
    for (name, delay) in [("chirp-plain.mp3", 1_105), ("chirp.aac", 1_024)] {
        let (recording, mono) = decoded(&fixture(name));
        assert_eq!(recording.samples, 9_216, "{name}");
        assert!(signal_to_noise_db(&reference, &mono[delay..delay + 8_000]) > 25.0, "{name}");
    }
}

// ---------------------------------------------------------------- headers as they are found in the wild

#[test]
fn chunks_around_the_data_change_nothing() {
    let samples = making::noise(2_001, 1);
    let fmt = || making::chunk(b"fmt ", &making::fmt(1, 1, 16_000, 8));
    let data = || making::chunk(b"data", &making::pcm(&samples, 8));
    let list = making::chunk(b"LIST", b"INFOISFT\x05\0\0\0odd!!\0");
    let odd = making::chunk(b"bext", &[7; 333]);
    let wanted = expected(&samples, 1, 8);
    let after = making::riff(&[fmt(), data(), list.clone()]);
    assert_eq!(decoded(&after).1, wanted);
    assert_eq!(decoded(&making::riff(&[odd.clone(), fmt(), list, odd, data()])).1, wanted);
    // The trailing chunk, and the pad byte before it, may be lost: no sample is.
    let data_end = 12 + 24 + 8 + 2_001;
    for length in data_end..after.len() {
        assert_eq!(decoded(&after[..length]).1, wanted, "{length} bytes");
    }
    // An odd chunk without its pad byte, and a fmt chunk of 18 bytes with the extension size.
    let mut long_fmt = making::fmt(1, 1, 16_000, 8);
    long_fmt.extend([0, 0]);
    let mut unpadded = making::chunk(b"bext", &[7; 333]);
    unpadded.pop();
    assert_eq!(decoded(&making::riff(&[unpadded, making::chunk(b"fmt ", &long_fmt), data()])).1, wanted);
}

#[test]
fn a_wrong_riff_size_is_accepted() {
    let samples = making::noise(2_000, 1);
    for size in [0u32, 36, 4_036 - 8, u32::MAX] {
        let mut bytes = making::wav(&samples, 1, 16_000, 16);
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(decoded(&bytes).1, expected(&samples, 1, 16), "RIFF size {size}");
    }
}

#[test]
fn samples_that_a_wav_does_not_count_are_not_passed_over() {
    use making::{chunk, fmt, noise, riff};
    let samples: Vec<i16> = noise(2000, 1).iter().map(|sample| (sample >> 16) as i16).collect();
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let whole = riff(&[chunk(b"fmt ", &fmt(1, 1, 16_000, 16)), chunk(b"data", &data)]);
    let mut half = whole.clone();
    half[40..44].copy_from_slice(&2000_u32.to_le_bytes());
    let error = refused(&half);
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("says that its samples end 2000 bytes before its end"), "{error}");
    // What the file does not count as its own, chunks, and zeros to fill it up are no samples.
    half[4..8].copy_from_slice(&2036_u32.to_le_bytes());
    assert_eq!(decoded(&half).1.len(), 1000);
    let padded = riff(&[chunk(b"fmt ", &fmt(1, 1, 16_000, 16)), chunk(b"data", &data), vec![0; 300]]);
    let followed =
        riff(&[chunk(b"fmt ", &fmt(1, 1, 16_000, 16)), chunk(b"data", &data), chunk(b"id3 ", &[255; 99])]);
    for file in [padded, followed] {
        assert_eq!(decoded(&file).1.len(), 2000);
    }
}

#[test]
fn a_block_size_that_contradicts_the_bytes_a_second_is_ignored() {
    use making::{chunk, fmt, noise, riff};
    let samples = noise(2000, 1);
    let data: Vec<u8> = samples.iter().flat_map(|sample| ((sample >> 16) as i16).to_le_bytes()).collect();
    for align in [4_u8, 8] {
        let mut file = riff(&[chunk(b"fmt ", &fmt(1, 1, 16_000, 16)), chunk(b"data", &data)]);
        file[32] = align;
        assert_eq!(decoded(&file).1, expected(&samples, 1, 16));
    }
}

#[test]
fn a_stream_of_unknown_length_is_read_to_its_end() {
    let samples = making::noise(2_000, 2);
    for size in [0u32, u32::MAX, 0x7fff_f000, 0x7fff_ffff, 0x8000_0000] {
        let mut bytes = making::wav(&samples, 2, 16_000, 16);
        bytes[4..8].copy_from_slice(&size.saturating_add(36).to_le_bytes());
        bytes[40..44].copy_from_slice(&size.to_le_bytes());
        assert_eq!(decoded(&bytes).1, expected(&samples, 2, 16), "data size {size:#x}");
        bytes.pop();
        let error = refused(&bytes);
        assert!(error.to_string().contains("middle of a sample"), "{error}");
    }
    let mut bytes = making::aiff(&making::pcm_be(&samples, 16), 0, 2, 16_000, 16, None);
    bytes[4..8].fill(0);
    bytes[42..46].fill(0);
    assert_eq!(decoded(&bytes).1, expected(&samples, 2, 16));
}

#[test]
fn the_container_is_told_by_content() {
    let samples = making::noise(1_000, 1);
    let aiff = making::aiff(&making::pcm_be(&samples, 16), 1_000, 1, 16_000, 16, None);
    assert_eq!(Container::of(&aiff).unwrap(), Container::Aiff);
    assert!(!Container::Aiff.extensions().contains(&"wav"));
    for (name, container) in [
        ("chirp.wav", "WAV"),
        ("chirp-ima4.aifc", "AIFF"),
        ("chirp.flac", "FLAC"),
        ("chirp-tagged.mp3", "MP3"),
        ("chirp-plain.mp3", "MP3"),
        ("chirp.ogg", "Ogg"),
        ("chirp-aac.m4a", "MP4"),
        ("chirp.aac", "AAC (ADTS)"),
        ("chirp.caf", "CAF"),
    ] {
        assert_eq!(Container::of(&fixture(name)).unwrap().to_string(), container, "{name}");
    }
}

#[test]
fn what_is_not_audio_is_named() {
    for (bytes, words) in [
        (&b"<!DOCTYPE html><html><body>404</body></html>"[..], "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
        (b"PK\x03\x04rest of an archive", "ZIP"),
        (b"NIST_1A\n   1024\n", "NIST SPHERE"),
        (&[0; 5_000], "zero bytes"),
        (b"hello world, this is plain text", "68 65 6c 6c 6f 20 77 6f"),
        (b"x", "78"),
        (b"RIFF\x10\0\0\0AVI LIST", "52 49 46 46"),
    ] {
        let error = refused(bytes);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(words), "{error}");
    }
    for (bytes, help) in [
        (&b"<!DOCTYPE html>"[..], "download it again"),
        (b"version https://git-lfs.github.com/spec/v1", "run git lfs pull"),
        (b"PK\x03\x04", "unpack it"),
    ] {
        assert!(refused(bytes).to_string().contains(help), "{}", refused(bytes));
    }
    for (name, words) in
        [("chirp-51.opus", "Opus with 6 channels"), ("chirp-aac-51.m4a", "AAC with 6 channels")]
    {
        let error = refused(&fixture(name));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(words), "{error}");
    }
    let mp3_in_wav = making::riff(&[
        making::chunk(b"fmt ", &making::fmt(0x55, 1, 16_000, 0)),
        making::chunk(b"data", &[1; 900]),
    ]);
    assert!(refused(&mp3_in_wav).to_string().contains("MPEG audio"));
}

// ---------------------------------------------------------------- refusals

#[test]
fn a_truncated_file_is_refused_with_both_lengths() {
    let samples = making::noise(33_600, 1);
    let bytes = making::wav(&samples, 1, 16_000, 16);
    let error = refused(&bytes[..44 + 2 * 16_544]);
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(
        error.to_string(),
        "is cut short: its header declares 2.100 s (33600 samples) but it has 1.034 s (16544); \
         copy it again from its source"
    );
    let bytes = making::aiff(&making::pcm_be(&samples, 16), 33_600, 1, 16_000, 16, None);
    let error = refused(&bytes[..bytes.len() - 2]).to_string();
    assert!(error.contains("2.100 s (33600 samples) but it has 2.100 s (33599)"), "{error}");
    let flac = fixture("chirp.flac");
    let error = refused(&flac[..flac.len() - 1_000]).to_string();
    assert!(error.contains("0.500 s (8000 samples)"), "{error}");
    let mp3 = fixture("chirp-info.mp3");
    // Cut between two frames: nothing is incomplete, but the table in the first frame tells.
    let error = refused(&mp3[..mp3.len() - 288]).to_string();
    assert!(error.contains("0.500 s (8000 samples)"), "{error}");
    let mp4 = fixture("chirp-aac-faststart.m4a");
    let error = refused(&mp4[..mp4.len() - 700]).to_string();
    assert!(error.contains("is cut short: it declares 5191 bytes but has 4491"), "{error}");
}

#[test]
fn no_prefix_of_a_recording_passes_for_the_whole() {
    let samples = making::noise(300, 2);
    let wav = making::wav(&samples, 2, 4_000, 16);
    let aiff = making::aiff(&making::pcm_be(&samples, 16), 300, 2, 4_000, 16, None);
    let mut files: Vec<(String, Vec<u8>)> = vec![("wav".into(), wav), ("aiff".into(), aiff)];
    for name in [
        "chirp.flac",
        "chirp.ogg",
        "chirp-info.mp3",
        "chirp-tagged.mp3",
        "chirp-vbr-stereo.mp3",
        "chirp-aac.m4a",
        "chirp-aac-faststart.m4a",
        "chirp.caf",
        "chirp-ogg-flac.ogg",
        "chirp-adpcm-ms.wav",
        "chirp-ima4.aifc",
    ] {
        files.push((name.into(), fixture(name)));
    }
    std::thread::scope(|scope| {
        for (name, bytes) in &files {
            scope.spawn(move || {
                let (_, whole) = decoded(bytes);
                let mut mono = Vec::new();
                let mut accepted = 0;
                for length in 0..bytes.len() {
                    if decode(&bytes[..length], &Limits::default(), &mut mono).is_ok() {
                        // Only what follows the last sample may be missing.
                        assert!(mono == whole, "{name} cut to {length} of {} bytes", bytes.len());
                        accepted += 1;
                    }
                }
                // Tags and padding at the end are all that can be lost: in most files there are none.
                assert!(accepted <= 200, "{name}: {accepted} prefixes");
            });
        }
    });
}

#[test]
fn a_stream_without_a_table_is_refused_when_it_ends_inside_a_frame() {
    for (name, most) in [("chirp-plain.mp3", 16), ("chirp.aac", 9), ("chirp-pipe.flac", 6)] {
        let bytes = fixture(name);
        let (_, whole) = decoded(&bytes);
        let mut mono = Vec::new();
        let mut accepted = 0;
        for length in 0..bytes.len() {
            if decode(&bytes[..length], &Limits::default(), &mut mono).is_ok() {
                assert!(whole.starts_with(&mono), "{name} cut to {length} bytes");
                accepted += 1;
            }
        }
        assert!(accepted <= most, "{name}: {accepted} prefixes");
    }
}

#[test]
fn altered_bytes_never_panic_and_never_pass_where_there_are_checksums() {
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let mut names: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension != "sh"));
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let original = std::fs::read(&path).unwrap();
        let mut whole = Vec::new();
        let _ = decode(&original, &Limits::default(), &mut whole);
        let mut mono = Vec::new();
        for round in 0..400 {
            let mut bytes = original.clone();
            for _ in 0..=round % 3 {
                // Every other round keeps to the header, where the structure is.
                let span = if round % 2 == 0 { bytes.len() } else { bytes.len().min(200) };
                let at = generator.next_u32() as usize % span;
                bytes[at] ^= 1 << (generator.next_u32() % 8);
            }
            if decode(&bytes, &Limits::default(), &mut mono).is_ok() {
                assert!(mono.iter().all(|sample| sample.is_finite()));
                let has_checksums = matches!(Container::of(&bytes), Ok(Container::Flac | Container::Ogg));
                assert!(!has_checksums || mono == whole, "{name}: altered samples in round {round}");
            }
        }
    }
}

#[test]
fn random_bytes_behind_a_good_beginning_never_panic() {
    let mut generator = ChaCha8Rng::seed_from_u64(8);
    let mut mono = Vec::new();
    for name in [
        "chirp.wav",
        "chirp-ima4.aifc",
        "chirp.flac",
        "chirp-info.mp3",
        "chirp.ogg",
        "chirp-aac.m4a",
        "chirp.caf",
        "chirp.aac",
    ] {
        let original = fixture(name);
        for _ in 0..200 {
            let mut bytes = original.clone();
            let keep = generator.next_u32() as usize % 400;
            generator.fill_bytes(&mut bytes[keep..]);
            let _ = decode(&bytes, &Limits::default(), &mut mono);
        }
    }
}

#[test]
fn a_corrupt_frame_in_the_middle_is_refused() {
    for name in ["chirp.flac", "chirp-pipe.flac", "chirp.ogg"] {
        let mut bytes = fixture(name);
        let middle = bytes.len() * 3 / 4;
        bytes[middle] ^= 0x10;
        let error = refused(&bytes);
        assert_eq!(error.kind(), ErrorKind::Damaged, "{name}: {error}");
    }
    // A gap in an MP3: a decoder would continue with the next frame.
    let mut bytes = fixture("chirp-info.mp3");
    bytes.drain(2_000..2_100);
    let error = refused(&bytes);
    assert!(error.to_string().contains("not an audio frame"), "{error}");
    // A lost page in an Ogg.
    let bytes = fixture("chirp-ogg-flac.ogg");
    let pages: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"OggS").collect();
    let without = [&bytes[..pages[2]], &bytes[pages[3]..]].concat();
    assert_eq!(refused(&without).kind(), ErrorKind::Damaged);
}

#[test]
fn a_joined_mp3_is_not_cut_to_its_first_part() {
    let bytes = fixture("chirp-info.mp3").repeat(2);
    let error = refused(&bytes);
    assert!(error.to_string().contains("more audio than its header says"), "{error}");
}

#[test]
fn several_recordings_in_one_ogg_are_refused() {
    let bytes = fixture("chirp.ogg").repeat(2);
    assert_eq!(refused(&bytes).kind(), ErrorKind::Unsupported);
}

#[test]
fn samples_that_are_not_numbers_are_refused_with_their_position() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut samples = vec![0.25; 16_000];
        samples[12_000] = bad;
        samples[13_000] = bad;
        let error = refused(&making::float_wav(&samples, 16_000));
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.to_string().contains("at 0.750 s (sample 12000)"), "{error}");
    }
}

#[test]
fn nothing_silence_and_a_snippet_are_refused() {
    let error = refused(&[]);
    assert_eq!((error.kind(), error.to_string().contains("empty (0 bytes)")), (ErrorKind::Unusable, true));
    let error = refused(&making::wav(&[], 1, 16_000, 16));
    assert_eq!(
        (error.kind(), error.to_string().contains("no samples")),
        (ErrorKind::Unusable, true),
        "{error}"
    );
    let error = refused(&making::aiff(&[], 0, 1, 16_000, 16, None));
    assert_eq!(
        (error.kind(), error.to_string().contains("no samples")),
        (ErrorKind::Unusable, true),
        "{error}"
    );
    for bits in [8, 16, 24, 32] {
        let error = refused(&making::wav(&[0; 16_000], 1, 16_000, bits));
        assert_eq!(
            (error.kind(), error.to_string().contains("digital silence")),
            (ErrorKind::Unusable, true)
        );
    }
    let error = refused(&making::wav(&making::noise(1, 1), 1, 16_000, 16));
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.to_string().contains("0.0001 s (1 samples)"), "{error}");
    // Exactly the minimum is enough.
    assert_eq!(decoded(&making::wav(&making::noise(800, 1), 1, 16_000, 16)).0.duration_s(), 0.05);
}

#[test]
fn a_recording_above_the_limit_is_refused_before_it_fills_the_memory() {
    let hour = making::wav(&making::noise(3_600 * 4_000, 1), 1, 4_000, 8);
    let error = refused(&hour);
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("lasts 3600.000 s, more than the limit of 300 s"), "{error}");
    let names = [
        "chirp.wav",
        "chirp.flac",
        "chirp-pipe.flac",
        "chirp.ogg",
        "chirp-info.mp3",
        "chirp-plain.mp3",
        "chirp-aac.m4a",
        "chirp.caf",
        "chirp.aac",
    ];
    for (limits, said) in [
        (Limits { max_duration_s: 0.2, ..Limits::default() }, "more than the limit of 0.2 s"),
        (Limits { max_samples: 1_500, ..Limits::default() }, "more than the limit of 1500"),
    ] {
        for name in names {
            let mut mono = Vec::new();
            let error = decode(&fixture(name), &limits, &mut mono).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{name}: {error}");
            assert!(error.to_string().contains(said), "{name}: {error}");
            assert!(mono.capacity() < 20_000, "{name}");
        }
    }
    let limits = Limits { max_bytes: 1_000, ..Limits::default() };
    assert_eq!(refused_within(&fixture("chirp.wav"), &limits).kind(), ErrorKind::Limit);
}

#[test]
fn a_recording_that_takes_too_long_to_decode_is_refused() {
    let limits = Limits { max_decoding_s: 1e-9, ..Limits::default() };
    for name in ["chirp.flac", "chirp.ogg", "chirp-info.mp3", "chirp-aac.m4a", "chirp-alac.caf", "chirp.aac"]
    {
        let error = refused_within(&fixture(name), &limits);
        assert_eq!(error.kind(), ErrorKind::Limit, "{name}: {error}");
        assert!(
            error.to_string().contains("takes more than the limit of 0.000000001 s to decode"),
            "{error}"
        );
        assert!(error.to_string().contains("file_timeout"), "{error}");
    }
    // Samples that lie in the file need no decoder.
    assert!(decode(&fixture("chirp.wav"), &limits, &mut Vec::new()).is_ok());
}

#[test]
fn memory_follows_the_bytes_and_not_the_header() {
    let mut mono = Vec::new();
    let mut bytes = making::wav(&making::noise(2_000, 1), 1, 16_000, 16);
    bytes[40..44].copy_from_slice(&0x7000_0000u32.to_le_bytes());
    assert_eq!(decode(&bytes, &Limits::default(), &mut mono).unwrap_err().kind(), ErrorKind::Damaged);
    let mut bytes = making::aiff(&making::pcm_be(&making::noise(2_000, 1), 16), 2_000, 1, 16_000, 16, None);
    bytes[22..26].fill(0xff);
    assert_eq!(decode(&bytes, &Limits::default(), &mut mono).unwrap_err().kind(), ErrorKind::Damaged);
    let mut bytes = making::riff(&[making::chunk(b"LIST", b"INFOISFT\0\0\0\0")]);
    bytes[28..32].fill(0xff);
    assert_eq!(decode(&bytes, &Limits::default(), &mut mono).unwrap_err().kind(), ErrorKind::Damaged);
    assert!(mono.capacity() < 10_000);
}

#[test]
fn impossible_rates_and_channel_counts_are_refused() {
    for (channels, rate) in [(1, 0), (1, 3_999), (1, 768_001), (0, 16_000), (65, 16_000), (65_535, 16_000)] {
        let fmt =
            [&[1, 0][..], &u16::to_le_bytes(channels), &u32::to_le_bytes(rate), &[0; 6], &[16, 0]].concat();
        let bytes = making::riff(&[making::chunk(b"fmt ", &fmt), making::chunk(b"data", &[1; 200_000])]);
        let error = refused(&bytes);
        assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Damaged), "{error}");
    }
}

// ---------------------------------------------------------------- files

#[cfg(unix)]
#[test]
fn only_regular_files_are_read_and_nothing_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let limits = Limits { max_bytes: 1_000, ..Limits::default() };
    let mut bytes = vec![1, 2, 3];
    let mut refused = |path: &Path| {
        let error = read_file(path, &limits, &mut bytes).unwrap_err();
        assert_eq!(error.path(), Some(path));
        assert!(bytes.is_empty());
        error
    };

    assert_eq!(refused(&path("missing")).kind(), ErrorKind::Io);
    assert!(refused(folder.path()).to_string().contains("is a folder"));
    rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(refused(&path("fifo")).to_string().contains("is a FIFO"));
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    assert!(refused(&path("socket")).to_string().contains("is a socket"));
    assert!(refused(Path::new("/dev/zero")).to_string().contains("is a device"));
    std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
    assert_eq!(refused(&path("dangling")).kind(), ErrorKind::Io);
    std::fs::write(path("empty"), "").unwrap();
    assert_eq!(refused(&path("empty")).kind(), ErrorKind::Unusable);
    std::fs::write(path("large"), [0; 1_001]).unwrap();
    let error = refused(&path("large"));
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("1001 bytes, more than the limit of 1000"), "{error}");

    std::fs::write(path("good"), [5; 1_000]).unwrap();
    std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
    for name in ["good", "link"] {
        read_file(&path(name), &limits, &mut bytes).unwrap();
        assert_eq!(bytes, [5; 1_000]);
    }
}

// ---------------------------------------------------------------- the whole way

#[test]
fn equal_audio_has_an_equal_hash_in_every_lossless_container() {
    let mut loader = Loader::new(16_000, LevelNormalisation::Peak, Limits::default());
    let hash = loader.load(&mut fixture("chirp.wav")).unwrap().audio_hash;
    for name in [
        "chirp.flac",
        "chirp-ogg-flac.ogg",
        "chirp-alac.m4a",
        "chirp.caf",
        "chirp-pipe-sox.aiff",
        "chirp-pipe.wav",
    ] {
        assert_eq!(loader.load(&mut fixture(name)).unwrap().audio_hash, hash, "{name}");
    }
    let mut bytes = fixture("chirp.wav");
    bytes[6_000] ^= 1;
    assert_ne!(loader.load(&mut bytes).unwrap().audio_hash, hash);
    let mut bytes = fixture("chirp.wav");
    bytes[24..28].copy_from_slice(&16_001u32.to_le_bytes());
    assert_ne!(loader.load(&mut bytes).unwrap().audio_hash, hash);
}

#[test]
fn a_loader_gives_the_same_for_a_clip_whatever_came_before() {
    let names = ["chirp.wav", "chirp-stereo.ogg", "chirp.opus", "chirp-aac.m4a", "chirp-pipe.flac"];
    let other = making::wav(&making::noise(30_000, 2), 2, 24_414, 24);
    for normalisation in [LevelNormalisation::Peak, LevelNormalisation::Rms, LevelNormalisation::None] {
        let mut kept = Loader::new(16_000, normalisation, Limits::default());
        for mut bytes in names.map(fixture).into_iter().chain([other.clone()]) {
            let mut fresh = Loader::new(16_000, normalisation, Limits::default());
            match (kept.load(&mut bytes), fresh.load(&mut bytes)) {
                (Ok(kept), Ok(fresh)) => assert_eq!(kept, fresh),
                (Err(kept), Err(fresh)) => assert_eq!(kept.to_string(), fresh.to_string()),
                _ => panic!("one loader refused what the other took"),
            }
        }
    }
}

#[test]
fn a_loaded_clip_is_resampled_and_then_normalised() {
    let samples = making::noise(24_414, 2);
    let mut bytes = making::wav(&samples, 2, 24_414, 16);
    let mut loader = Loader::new(16_000, LevelNormalisation::Peak, Limits::default());
    let clip = loader.load(&mut bytes).unwrap();
    assert_eq!(clip.samples.len(), 16_000);
    assert_eq!(clip.samples.iter().fold(0f32, |peak, x| peak.max(x.abs())), 1.0);
    assert_eq!((clip.recording.samples, clip.recording.duration_s()), (24_414, 1.0));
    // The level of the recording makes no difference.
    let quiet: Vec<i32> = samples.iter().map(|x| x / 16).collect();
    let loud = clip.samples.to_vec();
    let clip = loader.load(&mut making::wav(&quiet, 2, 24_414, 32)).unwrap();
    assert!(signal_to_noise_db(&loud, clip.samples) > 60.0);
}

// ---------------------------------------------------------------- the real corpus

/// Runs where `SER_TESS` names the folder that holds `OAF_angry` and the others.
#[test]
fn all_of_tess_is_decoded_and_its_oddities_are_as_described() {
    let Some(root) = std::env::var_os("SER_TESS") else {
        eprintln!("SKIPPED: set SER_TESS to the folder of TESS that holds OAF_angry to run this test");
        return;
    };
    let files: Vec<PathBuf> = walkdir::WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect();
    assert_eq!(files.len(), 2_798);
    let mut loader = Loader::new(16_000, LevelNormalisation::Peak, Limits::default());
    let mut bytes = Vec::new();
    let (mut aiff, mut other_rates, mut hashes) = (Vec::new(), Vec::new(), std::collections::BTreeSet::new());
    for path in &files {
        read_file(path, &Limits::default(), &mut bytes).unwrap();
        let clip = loader.load(&mut bytes).unwrap_or_else(|error| panic!("{}", error.at(path)));
        assert!((0.5..3.0).contains(&clip.recording.duration_s()), "{}", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if clip.recording.container == Container::Aiff {
            aiff.push(name.clone());
        }
        if clip.recording.sample_rate != 24_414 {
            other_rates.push((name, clip.recording.sample_rate));
        }
        hashes.insert(clip.audio_hash);
    }
    assert_eq!(aiff, ["YAF_germ_angry", "YAF_neat_fear"].map(String::from));
    assert_eq!(other_rates, [("OAF_food_fear".to_string(), 96_000)]);
    assert_eq!(hashes.len(), 2_798);
}
