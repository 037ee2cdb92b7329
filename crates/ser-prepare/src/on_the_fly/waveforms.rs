//! The waveforms behind the tensors of a training side, read from the recordings they were computed from.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ser_cache::{TensorKey, Utterance, content_of_segment, corpora_of, key_of};
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::{Corpora, Segment};

use crate::on_the_fly::OnTheFlyOptions;
use crate::pipeline::RecordingReader;

/// How many bytes of decoded waveforms are kept in memory; the others are decoded each time.
const MOST_KEPT_BYTES: usize = 2 << 30;

/// Waveforms by the index of their utterance.
#[derive(Debug)]
pub(super) struct Waveforms {
    corpora: Corpora,
    /// The configuration that is part of each utterance's key.
    configuration: String,
    recordings: Vec<TrainingRecording>,
    kept_bytes: AtomicUsize,
}

#[derive(Debug)]
struct TrainingRecording {
    path: String,
    key: TensorKey,
    samples: OnceLock<Vec<f32>>,
}

impl Waveforms {
    /// The recordings of the utterances in `options`.
    ///
    /// # Errors
    /// When it is not known where they are, or an utterance is not a recording but an augmented copy of one.
    pub(super) fn new(options: OnTheFlyOptions<'_>) -> Result<Self> {
        let OnTheFlyOptions { set, utterances, cache, data, .. } = options;
        let corpora = match data {
            [] => corpora_of(cache).ok_or_else(|| {
                Error::new(
                    ErrorKind::Missing,
                    "does not say where its recordings are, which are to be augmented",
                )
                .at(cache)
                .help(remedy!["name their folder with ", Setting::Data])
            })?,
            folders => Corpora::new(folders)?,
        };
        if let Some(copy) = utterances.iter().find(|utterance| utterance.parent.is_some()) {
            return Err(Error::new(ErrorKind::Usage, "is an augmented copy, and would be augmented again")
                .at(&copy.path)
                .help(remedy![
                    "leave out ",
                    Setting::Augment,
                    ", or give a ",
                    Setting::FeatureSet,
                    " without copies"
                ]));
        }
        let recording = |utterance: &Utterance| TrainingRecording {
            path: utterance.path.clone(),
            key: utterance.key,
            samples: OnceLock::new(),
        };
        let recordings = utterances.iter().map(recording).collect();
        let configuration = set.configuration.clone();
        Ok(Self { corpora, configuration, recordings, kept_bytes: AtomicUsize::new(0) })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.recordings.len()
    }

    /// Where the recording of utterance `index` is, as manifests say.
    pub(super) fn path(&self, index: usize) -> &str {
        &self.recordings[index].path
    }

    /// The samples of utterance `index`, at the rate and level that `reader` brings them to.
    ///
    /// # Errors
    /// When its recording cannot be read, or is not the one that the cache was made from.
    pub(super) fn get(&self, index: usize, reader: &mut RecordingReader) -> Result<Cow<'_, [f32]>> {
        let TrainingRecording { path, key, samples } = &self.recordings[index];
        if let Some(samples) = samples.get() {
            return Ok(Cow::Borrowed(samples));
        }
        let location = self.corpora.location(path)?;
        let (_, segment) = Segment::parse_path(path);
        let file = reader.read(&location).map_err(|error| {
            error.at(&location).help(remedy!["say with ", Setting::Data, " where the recordings are now"])
        })?;
        let content = content_of_segment(&file, segment.as_ref());
        if key_of(&content, &self.configuration) != *key {
            return Err(Error::new(ErrorKind::Mismatch, "is not the recording that the cache was made from")
                .at(&location)
                .help(remedy![
                    Action::Prepare,
                    " again, or say with ",
                    Setting::Data,
                    " where that recording is"
                ]));
        }
        let decoded = reader.load(segment.as_ref()).map_err(|error| error.at(&location))?.samples.to_vec();
        let size = decoded.len() * size_of::<f32>();
        if self.kept_bytes.fetch_add(size, Ordering::Relaxed) + size > MOST_KEPT_BYTES {
            return Ok(Cow::Owned(decoded));
        }
        Ok(Cow::Borrowed(samples.get_or_init(|| decoded)))
    }
}
