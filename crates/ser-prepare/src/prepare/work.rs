//! Processing one file: read, hash, decode, extract.

use std::sync::{Mutex, PoisonError};

use ser_audio::DecodedRecording;
use ser_cache::{Checksum, CopySettings, RowInfo, Sha, TensorKey, content_of_segment};
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};
use ser_corpus::{Corpora, Segment};
use ser_features::ValueType;

use crate::pipeline::{ComputedTensor, Extractors, Pipeline};
use crate::prepare::PrepareOptions;
use crate::prepare::candidates::key_under;

/// Threads, and for each of them what it works with.
pub(super) struct Workers {
    pool: rayon::ThreadPool,
    pipelines: Vec<Mutex<Pipeline>>,
    /// Tensors that were stored and can be overwritten.
    free: Mutex<Vec<Vec<f32>>>,
    /// Where recordings are.
    corpora: Corpora,
    /// Numbers of a tensor.
    row_len: usize,
    dtype: ValueType,
    configuration: String,
    copies: Option<CopySettings>,
}

/// What is wanted of one file: it as a whole or segments of it, and copies of these.
pub(super) struct FileWork<'a> {
    /// Where it is, as in manifests.
    pub(super) path: &'a str,
    pub(super) utterances: Vec<UtteranceWork>,
}

/// One utterance of a file, or a copy of it.
pub(super) struct UtteranceWork {
    pub(super) segment: Option<Segment>,
    pub(super) copy: Option<u32>,
}

/// The results for a file, one for each of its utterances.
pub(super) struct PreparedFile {
    pub(super) bytes_read: u64,
    pub(super) utterances: Vec<Result<Done>>,
}

/// An utterance that can be used.
pub(super) struct Done {
    /// The SHA-256 of its file.
    pub(super) file: Sha,
    pub(super) key: TensorKey,
    /// Its tensor, unless it was known already.
    pub(super) tensor: Option<(Vec<f32>, RowInfo)>,
}

impl Workers {
    /// Threads whose tensors are computed by `extractors`, or by those of the options' features.
    pub(super) fn new(
        options: &PrepareOptions,
        corpora: &Corpora,
        configuration: &str,
        extractors: Option<&dyn Extractors>,
    ) -> Result<Self> {
        let pool = threads::pool(options.jobs, Setting::Jobs)?;
        let recipe = options.augment.as_ref().map(CopySettings::recipe).transpose()?;
        let (features, recipe, limits) = (&options.features, recipe.as_ref(), options.limits);
        let pipeline = || match extractors {
            Some(extractors) => Pipeline::with(features, recipe, limits, extractors.extractor()?),
            None => Pipeline::new(features, recipe, limits),
        };
        let pipelines =
            (0..pool.current_num_threads()).map(|_| pipeline().map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Self {
            pool,
            pipelines,
            free: Mutex::default(),
            corpora: corpora.clone(),
            row_len: options.features.shape().iter().product(),
            dtype: options.features.value_type(),
            configuration: configuration.to_owned(),
            copies: options.augment.clone(),
        })
    }

    /// Runs `work` on the threads while this one runs `meanwhile`.
    pub(super) fn install<T: Send>(
        &self,
        work: impl FnOnce() -> T + Send,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<T> {
        let mut done = None;
        let stored = self.pool.in_place_scope(|scope| {
            scope.spawn(|_| done = Some(work()));
            meanwhile()
        });
        stored?;
        done.ok_or_else(|| Error::new(ErrorKind::Io, "a thread has stopped"))
    }

    /// Recycles a tensor that is no longer needed.
    pub(super) fn recycle(&self, tensor: Vec<f32>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(tensor);
    }

    /// Handles what is wanted of one file, which is read and decoded once. Tensors that are `known` are not computed again.
    pub(super) fn process(
        &self,
        work: &FileWork<'_>,
        known: &(dyn Fn(&TensorKey) -> bool + Sync),
    ) -> PreparedFile {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        let mut pipeline = self.pipelines[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let mut decoded = None;
        let mut file = self.corpora.location(work.path).and_then(|location| pipeline.read(&location));
        let bytes_read = file.as_ref().map_or(0, |_| pipeline.reader.bytes_read());
        let mut utterances = Vec::with_capacity(work.utterances.len());
        for utterance in &work.utterances {
            let result = match &file {
                Ok(content) => self.process_utterance(&mut pipeline, content, utterance, &mut decoded, known),
                Err(error) => Err(error.repeated()),
            };
            // What cannot be decoded once cannot be decoded again, and its bytes may be gone.
            if let (Err(error), None) = (&result, &decoded) {
                file = Err(error.repeated());
            }
            utterances.push(result.map_err(|error| error.at(work.path)));
        }
        PreparedFile { bytes_read, utterances }
    }

    fn process_utterance(
        &self,
        pipeline: &mut Pipeline,
        file: &Sha,
        UtteranceWork { segment, copy }: &UtteranceWork,
        decoded: &mut Option<DecodedRecording>,
        known: &(dyn Fn(&TensorKey) -> bool + Sync),
    ) -> Result<Done> {
        let content = content_of_segment(file, segment.as_ref());
        let copy = self.copies.as_ref().zip(*copy);
        let key = key_under(&content, &self.configuration, copy);
        if known(&key) {
            return Ok(Done { file: *file, key, tensor: None });
        }
        let recording = match decoded {
            Some(recording) => recording,
            None => decoded.insert(pipeline.decode(segment.is_some())?),
        };
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tensor = free.unwrap_or_else(|| vec![0.0; self.row_len]);
        let mut random = copy.map(|(copies, number)| copies.random(&content, number));
        let ComputedTensor { frames, frames_cut, source } =
            pipeline.tensor(recording, segment.as_ref(), random.as_mut(), &mut tensor)?;
        let checksum = Checksum::of_row(&tensor, self.dtype, frames);
        let row = RowInfo { key, frames, frames_cut, checksum, source };
        Ok(Done { file: *file, key, tensor: Some((tensor, row)) })
    }
}
