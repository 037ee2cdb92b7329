//! Examines one recording: read, decode, measure, hash.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use ser_audio::{DecodedRecording, LevelNormalisation, Limits, Loader};
use ser_core::progress::Progress;
use ser_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::xxh3_128;

use crate::doctor::chunk::{ChunkName, other_chunks};
use crate::doctor::{FindingKind, Levels};
use crate::{Annotation, AudioFile};

/// More threads than this are a typing mistake.
const MOST_JOBS: usize = 1024;

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
    pub(super) annotation: Result<Annotation<Arc<str>>, String>,
}

/// Examines all `candidates` of the corpus in `root`, on `jobs` threads (0: one per processor).
pub(super) fn examine_all(
    candidates: Vec<ExamineCandidate>,
    root: &Path,
    limits: &Limits,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Vec<Examined>> {
    if jobs > MOST_JOBS {
        return Err(Error::new(ErrorKind::Usage, format!("--jobs {jobs} is far too many"))
            .help(format!("give at most {MOST_JOBS}")));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot start threads: {error}")).help("give fewer --jobs")
    })?;
    let rooms: Vec<Mutex<Room>> =
        (0..pool.current_num_threads()).map(|_| Mutex::new(Room::new(root, limits))).collect();
    progress.start(candidates.len() as u64, "files");
    let look = |ExamineCandidate { file, annotation }: ExamineCandidate| {
        let room = pool.current_thread_index().and_then(|thread| rooms.get(thread));
        let sound = match room {
            Some(room) => room.lock().unwrap_or_else(PoisonError::into_inner).examine_one(&file),
            None => Room::new(root, limits).examine_one(&file),
        };
        progress.advance(1);
        Examined { path: file.path, annotation, sound }
    };
    let examined = pool.install(|| candidates.into_par_iter().map(look).collect());
    progress.finish();
    Ok(examined)
}

/// Buffers of one thread.
struct Room {
    root: PathBuf,
    limits: Limits,
    loader: Loader,
    bytes: Vec<u8>,
    powers: Vec<f32>,
}

impl Room {
    fn new(root: &Path, limits: &Limits) -> Self {
        // Only decodes, so rate and normalisation do not matter.
        let loader = Loader::new(16_000, LevelNormalisation::None, *limits);
        Self { root: root.to_owned(), limits: *limits, loader, bytes: Vec::new(), powers: Vec::new() }
    }

    fn examine_one(&mut self, file: &AudioFile) -> Result<Sound, UnusableReason> {
        let trouble = |kind, error: &Error| UnusableReason { kind, text: error.reason() };
        ser_audio::read_file(&file.location(&self.root), &self.limits, &mut self.bytes).map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::Unusable => FindingKind::Empty,
                ErrorKind::Limit => FindingKind::BeyondLimit,
                _ => FindingKind::Unreadable,
            };
            trouble(kind, &error)
        })?;
        // Before decoding, after which the bytes may be gone.
        let file_hash = xxh3_128(&self.bytes);
        let bytes = self.bytes.len() as u64;
        let recording = self.loader.decode(&mut self.bytes).map_err(|error| {
            let mono = self.loader.mono();
            let kind = match error.kind() {
                ErrorKind::Limit => FindingKind::BeyondLimit,
                ErrorKind::Unsupported => FindingKind::NotAudio,
                ErrorKind::Unusable if !mono.is_empty() && mono.iter().all(|sample| *sample == 0.0) => {
                    FindingKind::Silent
                }
                ErrorKind::Unusable => FindingKind::Useless,
                ErrorKind::Io => FindingKind::Unreadable,
                _ => FindingKind::Damaged,
            };
            trouble(kind, &error)
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
