//! The recordings behind tensors: read once more, for what a tensor does not tell.

use std::sync::{Mutex, PoisonError};

use ser_audio::{LevelNormalisation, Limits};
use ser_cache::{TensorKey, content_of_segment, key_of};
use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::{Corpora, Segment};
use ser_features::{Extractor, FeatureConfig};

use crate::audit::waveform::{Correlator, RATE, Waveform};
use crate::pipeline::RecordingReader;

/// Where the recordings of a feature set's tensors are; those of augmented copies, which are like their parents, are not
/// among them.
pub(crate) struct Originals<'a> {
    /// The canonical feature configuration, part of every key.
    configuration: &'a str,
    corpora: &'a Corpora,
    paths: &'a dyn RecordingPaths,
}

/// The paths in manifests of recordings, by their tensors.
pub(crate) trait RecordingPaths: Sync {
    /// The path of the recording of the tensor with this key.
    fn path(&self, key: &TensorKey) -> Option<&str>;
}

impl<'a> Originals<'a> {
    /// Those of `corpora` whose tensors have keys under `configuration` that `paths` knows.
    pub(crate) fn new(configuration: &'a str, corpora: &'a Corpora, paths: &'a dyn RecordingPaths) -> Self {
        Self { configuration, corpora, paths }
    }
}

/// The features by which recordings are told apart where those of the cache hold too little for that: 20 MFCC of what a
/// telephone would pass on.
pub(super) fn own_features() -> FeatureConfig {
    FeatureConfig {
        sample_rate: RATE,
        normalisation: LevelNormalisation::None,
        n_fft: 256,
        win_length: 256,
        hop_length: 128,
        f_max: f64::from(RATE) / 2.0,
        n_mels: 40,
        n_mfcc: 20,
        delta_order: 0,
        max_frames: 256,
        ..FeatureConfig::default()
    }
}

/// Reads recordings, on several threads at once.
pub(super) struct OriginalReader<'a> {
    originals: &'a Originals<'a>,
    features: FeatureConfig,
    free: Mutex<Vec<ThreadState>>,
}

/// What a thread works with.
struct ThreadState {
    reader: RecordingReader,
    extractor: Extractor,
    correlator: Correlator,
}

impl<'a> OriginalReader<'a> {
    pub(super) fn new(originals: &'a Originals<'a>) -> Self {
        Self { originals, features: own_features(), free: Mutex::default() }
    }

    /// Whether `key` is the tensor of a recording.
    pub(super) fn knows(&self, key: &TensorKey) -> bool {
        self.originals.paths.path(key).is_some()
    }

    /// The first coefficients of a recording, `[n_mfcc, frame]` by [`own_features`], and how many frames are real.
    ///
    /// # Errors
    /// When the recording cannot be read or has changed.
    pub(super) fn mfcc(&self, key: &TensorKey) -> Result<(Vec<f32>, usize)> {
        self.load(key, |samples, extractor, _| {
            let mut tensor = vec![0.0; extractor.shape().iter().product()];
            let frames = extractor.extract(samples, &mut tensor)?.frames;
            Ok((tensor, frames))
        })
    }

    /// The waveform of a recording.
    ///
    /// # Errors
    /// When the recording cannot be read or has changed.
    pub(super) fn waveform(&self, key: &TensorKey) -> Result<Waveform> {
        self.load(key, |samples, _, correlator| correlator.waveform(samples))
    }

    /// How well two waveforms correlate: see [`Correlator::correlation`].
    ///
    /// # Errors
    /// None that waveforms could cause.
    pub(super) fn correlation(&self, one: &Waveform, other: &Waveform) -> Result<f64> {
        self.with_state(|state| state.correlator.correlation(one, other))
    }

    fn load<T>(
        &self,
        key: &TensorKey,
        work: impl FnOnce(&[f32], &mut Extractor, &mut Correlator) -> Result<T>,
    ) -> Result<T> {
        let path = self.originals.paths.path(key);
        let path =
            path.ok_or_else(|| Error::new(ErrorKind::Missing, "the recording of a tensor is not known"))?;
        let (location, (_, segment)) = (self.originals.corpora.location(path)?, Segment::parse_path(path));
        self.with_state(|ThreadState { reader, extractor, correlator }| {
            let content = content_of_segment(&reader.read(&location)?, segment.as_ref());
            if key_of(&content, self.originals.configuration) != *key {
                return Err(Error::new(ErrorKind::Mismatch, "has changed since it was prepared")
                    .help(remedy![Action::Prepare, " again"]));
            }
            work(reader.load(segment.as_ref())?.samples, extractor, correlator)
        })
        .map_err(|error| error.at(&location))
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut ThreadState) -> Result<T>) -> Result<T> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut state = match free {
            Some(state) => state,
            None => ThreadState {
                // They were within the limits when they were prepared.
                reader: RecordingReader::new(&self.features, Limits::accepted_before()),
                extractor: Extractor::new(&self.features)?,
                correlator: Correlator::new(),
            },
        };
        let done = work(&mut state);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(state);
        done
    }
}
