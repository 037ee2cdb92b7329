//! The waveforms behind the tensors of a training side, read from the recordings they were computed from.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ser_audio::{Limits, Loader};
use ser_cache::{FeatureSet, Sha, TensorKey, Utterance, corpora_of, key_of};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::{Corpora, CorpusFolder};
use ser_model::FitConfig;

/// How many bytes of decoded waveforms are kept in memory; the others are decoded each time.
const MOST_KEPT_BYTES: usize = 2 << 30;

/// Waveforms by the index of their utterance.
#[derive(Debug)]
pub(crate) struct Waveforms {
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
    /// The recordings of `utterances`, all of `set`, in the folders that `config` names or else where `ser-prep` found them.
    ///
    /// # Errors
    /// When it is not known where they are, or an utterance is not a recording but an augmented copy of one.
    pub(crate) fn new(config: &FitConfig, set: &FeatureSet, utterances: &[Utterance]) -> Result<Self> {
        let given: Vec<CorpusFolder> =
            config.data.iter().map(|folder| CorpusFolder::from(OsString::from(folder))).collect();
        let corpora = match given.is_empty() {
            false => Corpora::new(&given)?,
            true => corpora_of(&config.cache).ok_or_else(|| {
                Error::new(ErrorKind::Missing, "does not say where the recordings to augment are")
                    .at(&config.cache)
                    .help("name their folder with --data")
            })?,
        };
        if let Some(copy) = utterances.iter().find(|utterance| utterance.parent.is_some()) {
            return Err(Error::new(ErrorKind::Usage, "is an augmented copy, and would be augmented again")
                .at(&copy.path)
                .help("leave out --augment, or give a --feature-set without copies"));
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
    pub(crate) fn len(&self) -> usize {
        self.recordings.len()
    }

    /// Where the recording of utterance `index` is, as manifests say.
    pub(crate) fn path(&self, index: usize) -> &str {
        &self.recordings[index].path
    }

    /// The samples of utterance `index`, at the rate and level that `loader` brings them to.
    ///
    /// # Errors
    /// When its recording cannot be read, or is not the one that the cache was made from.
    pub(crate) fn get(&self, index: usize, loader: &mut Loader) -> Result<Cow<'_, [f32]>> {
        let TrainingRecording { path, key, samples } = &self.recordings[index];
        if let Some(samples) = samples.get() {
            return Ok(Cow::Borrowed(samples));
        }
        let location = self.corpora.location(path)?;
        let mut bytes = Vec::new();
        ser_audio::read_file(&location, &Limits::accepted_before(), &mut bytes)
            .map_err(|error| error.at(&location).help("say with --data where the recordings are now"))?;
        if key_of(&Sha::of(&[&bytes]), &self.configuration) != *key {
            return Err(Error::new(ErrorKind::Mismatch, "is not the recording that the cache was made from")
                .at(&location)
                .help("run ser-prep again, or say with --data where that recording is"));
        }
        let decoded = loader.load(&mut bytes).map_err(|error| error.at(&location))?.samples.to_vec();
        let size = decoded.len() * size_of::<f32>();
        if self.kept_bytes.fetch_add(size, Ordering::Relaxed) + size > MOST_KEPT_BYTES {
            return Ok(Cow::Owned(decoded));
        }
        Ok(Cow::Borrowed(samples.get_or_init(|| decoded)))
    }
}
