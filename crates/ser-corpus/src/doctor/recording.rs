//! Examines one recording: read, decode, measure, hash.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use ser_audio::{DecodedRecording, LevelNormalisation, Limits, Loader};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};
use xxhash_rust::xxh3::xxh3_128;

use crate::doctor::{FindingKind, Levels};
use crate::{Annotation, AudioFile, Segment, read_recording};

/// A recording and what is known about it. All of these are in memory at the end, their samples never.
pub(super) struct Examined {
    /// Relative to the corpus.
    pub(super) path: String,
    /// What it is labelled, or why that is not known.
    pub(super) annotation: Result<Annotation<Arc<str>>, String>,
    /// What it sounds like, or why that is not known.
    pub(super) sound: Result<Sound, UnusableReason>,
}

/// Why a recording cannot be used.
pub(super) struct UnusableReason {
    pub(super) kind: FindingKind,
    pub(super) text: String,
}

impl UnusableReason {
    pub(super) fn new(kind: FindingKind, error: &Error) -> Self {
        Self { kind, text: error.reason() }
    }
}

/// What a recording holds.
pub(super) struct Sound {
    pub(super) recording: DecodedRecording,
    pub(super) bytes: u64,
    /// Identity of the file and of its decoded samples.
    pub(super) file_hash: u128,
    pub(super) audio_hash: u128,
    pub(super) levels: Levels,
    pub(super) chunks: Vec<ChunkName>,
}

/// A recording that is known by its name and not yet read.
pub(super) struct ExamineCandidate {
    pub(super) file: AudioFile,
    /// Of all of it, or of each of its segments.
    pub(super) annotations: Result<Vec<Annotation<Arc<str>>>, String>,
}

/// Examines all `candidates` of the corpus in `root`, on `jobs` threads (0: one per processor).
pub(super) fn examine_all(
    candidates: Vec<ExamineCandidate>,
    root: &Path,
    limits: &Limits,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Vec<Examined>> {
    let pool = threads::pool(jobs, Setting::Jobs)?;
    let examiners: Vec<Mutex<Examiner>> =
        (0..pool.current_num_threads()).map(|_| Mutex::new(Examiner::new(root, limits))).collect();
    progress.start(candidates.len() as u64, "files");
    let examine = |candidate: ExamineCandidate| {
        let examiner = pool.current_thread_index().and_then(|thread| examiners.get(thread));
        let examined = match examiner {
            Some(examiner) => examiner.lock().unwrap_or_else(PoisonError::into_inner).examine(candidate),
            None => Examiner::new(root, limits).examine(candidate),
        };
        progress.advance(1);
        examined
    };
    let examined = pool.install(|| candidates.into_par_iter().flat_map_iter(examine).collect());
    progress.finish();
    Ok(examined)
}

/// Examines one recording after another on a thread, and keeps its buffers.
struct Examiner {
    root: PathBuf,
    limits: Limits,
    loader: Loader,
    bytes: Vec<u8>,
    powers: Vec<f32>,
}

impl Examiner {
    fn new(root: &Path, limits: &Limits) -> Self {
        // Only decodes, so rate and normalisation do not matter.
        let loader = Loader::new(16_000, LevelNormalisation::None, *limits);
        Self { root: root.to_owned(), limits: *limits, loader, bytes: Vec::new(), powers: Vec::new() }
    }

    /// Reads and decodes a recording once; a segmented one gives as many utterances as it has segments.
    fn examine(&mut self, ExamineCandidate { file, annotations }: ExamineCandidate) -> Vec<Examined> {
        let segmented = annotations.iter().flatten().any(|annotation| annotation.segment.is_some());
        let sound = self.sound(&file, segmented);
        match (annotations, sound) {
            (Ok(annotations), Ok(whole)) if segmented => annotations
                .into_iter()
                .filter_map(|annotation| Some((annotation.segment?, annotation)))
                .map(|(segment, annotation)| Examined {
                    path: segment.path_in(&file.path),
                    annotation: Ok(annotation),
                    sound: self.sound_of_segment(&whole, &segment),
                })
                .collect(),
            // What is wrong with all of it is said once.
            (annotations, sound) => {
                let annotation = annotations.map(|mut annotations| annotations.swap_remove(0));
                vec![Examined { path: file.path, annotation, sound }]
            }
        }
    }

    /// What a segment of the recording that was decoded last, which is `whole`, holds.
    fn sound_of_segment(&mut self, whole: &Sound, segment: &Segment) -> Result<Sound, UnusableReason> {
        let rate = whole.recording.sample_rate;
        let mono = self.loader.mono();
        let samples = segment
            .samples(mono.len(), rate)
            .map_err(|error| UnusableReason::new(FindingKind::Damaged, &error))?;
        let samples = mono.get(samples).unwrap_or_default();
        self.limits.check_duration(samples.len() as u64, rate).map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::Limit => FindingKind::BeyondLimit,
                _ => FindingKind::Useless,
            };
            UnusableReason::new(kind, &error)
        })?;
        if samples.iter().all(|sample| *sample == 0.0) {
            return Err(UnusableReason { kind: FindingKind::Silent, text: "is digital silence".to_owned() });
        }
        let [start, end] = segment.nanoseconds().map(u64::to_le_bytes);
        Ok(Sound {
            recording: DecodedRecording { samples: samples.len() as u64, ..whole.recording.clone() },
            bytes: whole.bytes,
            file_hash: xxh3_128(&[&whole.file_hash.to_le_bytes()[..], &start, &end].concat()),
            audio_hash: ser_audio::audio_hash(rate, samples),
            levels: Levels::of(samples, rate, whole.recording.codec, &mut self.powers),
            chunks: Vec::new(),
        })
    }

    /// Reads and decodes a recording, and measures all of it.
    fn sound(&mut self, file: &AudioFile, segmented: bool) -> Result<Sound, UnusableReason> {
        let location = file.location(&self.root);
        read_recording(&location, self.limits.max_bytes, &mut self.bytes).map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::Unusable => FindingKind::Empty,
                ErrorKind::Limit => FindingKind::BeyondLimit,
                _ => FindingKind::Unreadable,
            };
            UnusableReason::new(kind, &error)
        })?;
        // Before decoding, after which the bytes may be gone.
        let file_hash = xxh3_128(&self.bytes);
        let bytes = self.bytes.len() as u64;
        let decoded = match segmented {
            true => self.loader.decode_segmented(&mut self.bytes),
            false => self.loader.decode(&mut self.bytes),
        };
        let recording = decoded.map_err(|error| {
            UnusableReason::new(kind_of_refusal(error.kind(), self.loader.mono()), &error)
        })?;
        let mono = self.loader.mono();
        Ok(Sound {
            bytes,
            file_hash,
            audio_hash: ser_audio::audio_hash(recording.sample_rate, mono),
            levels: Levels::of(mono, recording.sample_rate, recording.codec, &mut self.powers),
            chunks: other_chunks(&self.bytes),
            recording,
        })
    }
}

/// What is wrong with a recording that decoding refused with an error of this kind, after as many samples as `mono` has.
fn kind_of_refusal(error: ErrorKind, mono: &[f32]) -> FindingKind {
    let is_silent = !mono.is_empty() && mono.iter().all(|sample| *sample == 0.0);
    match error {
        ErrorKind::Limit => FindingKind::BeyondLimit,
        ErrorKind::Unsupported => FindingKind::NotAudio,
        ErrorKind::Unusable if is_silent => FindingKind::Silent,
        ErrorKind::Unusable => FindingKind::Useless,
        ErrorKind::Io => FindingKind::Unreadable,
        _ => FindingKind::Damaged,
    }
}

/// A chunk's name, four letters.
pub(super) type ChunkName = [u8; 4];

/// A file has a handful; beyond this the rest is ignored.
const MOST_CHUNKS: usize = 32;

/// The chunks of a WAV file other than `fmt ` and `data`, each name once, in order. A file that is not a WAV has none.
fn other_chunks(bytes: &[u8]) -> Vec<ChunkName> {
    let mut names = Vec::new();
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return names;
    }
    let mut rest = bytes.get(12..).unwrap_or_default();
    for _ in 0..MOST_CHUNKS {
        let Some((header, body)) = rest.split_first_chunk::<8>() else { break };
        let [a, b, c, d, size @ ..] = *header;
        let name = [a, b, c, d];
        if !name.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            break; // what follows the last chunk is not one
        }
        if !matches!(&name, b"fmt " | b"data") && !names.contains(&name) {
            names.push(name);
        }
        let size = u32::from_le_bytes(size) as usize;
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&name[..], &(body.len() as u32).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
    }

    #[test]
    fn chunks_before_and_after_the_samples_are_named_once() {
        let chunks = [
            chunk(b"bext", b"x"),
            chunk(b"fmt ", &[0; 16]),
            chunk(b"data", &[0; 7]),
            chunk(b"LIST", b"INFO"),
            chunk(b"LIST", b"adtl"),
        ];
        let file = [&b"RIFF\0\0\0\0WAVE"[..], &chunks.concat()].concat();
        assert_eq!(other_chunks(&file), [*b"bext", *b"LIST"]);
        for length in 0..file.len() {
            other_chunks(&file[..length]);
        }
    }

    #[test]
    fn sizes_that_lead_nowhere_end_the_search() {
        let file = [&b"RIFF\0\0\0\0WAVE"[..], b"junk\xff\xff\xff\xff", b"abc"].concat();
        assert_eq!(other_chunks(&file), [*b"junk"]);
        assert!(other_chunks(b"FORM\0\0\0\0AIFF").is_empty());
    }
}
