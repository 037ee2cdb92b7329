//! Processing one file: read, hash, decode, extract.

use std::sync::{Mutex, PoisonError};

use ser_cache::{Checksum, CopySettings, RowInfo, Sha, TensorKey};
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Corpora;

use crate::pipeline::{ComputedTensor, Pipeline};
use crate::prepare::{PrepareOptions, key_under};

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
    configuration: String,
    copies: Option<CopySettings>,
}

/// The result for a file.
pub(super) struct PreparedFile {
    pub(super) bytes_read: u64,
    pub(super) result: Result<Done>,
}

/// A file that can be used.
pub(super) struct Done {
    pub(super) content: Sha,
    pub(super) key: TensorKey,
    /// Its tensor, unless it was known already.
    pub(super) tensor: Option<(Vec<f32>, RowInfo)>,
}

impl Workers {
    pub(super) fn new(options: &PrepareOptions, corpora: &Corpora, configuration: &str) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build().map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot start threads: {error}"))
                .help(remedy!["give fewer ", Setting::Jobs])
        })?;
        let recipe = options.augment.as_ref().map(CopySettings::recipe).transpose()?;
        let pipelines = (0..pool.current_num_threads())
            .map(|_| Pipeline::new(&options.features, recipe.as_ref(), options.limits).map(Mutex::new))
            .collect::<Result<_>>()?;
        Ok(Self {
            pool,
            pipelines,
            free: Mutex::default(),
            corpora: corpora.clone(),
            row_len: options.features.shape().iter().product(),
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

    /// Handles the recording at `path`, or the copy of it with a number. Tensors that are `known` are not computed again.
    pub(super) fn process(
        &self,
        path: &str,
        copy: Option<u32>,
        known: &(dyn Fn(&TensorKey) -> bool + Sync),
    ) -> PreparedFile {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        let mut pipeline = self.pipelines[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes_read = 0;
        let result = self.process_with(&mut pipeline, path, copy, known, &mut bytes_read);
        PreparedFile { bytes_read, result: result.map_err(|error| error.at(path)) }
    }

    fn process_with(
        &self,
        pipeline: &mut Pipeline,
        path: &str,
        copy: Option<u32>,
        known: &(dyn Fn(&TensorKey) -> bool + Sync),
        bytes_read: &mut u64,
    ) -> Result<Done> {
        let content = pipeline.read(&self.corpora.location(path)?)?;
        *bytes_read = pipeline.reader.bytes_read();
        let copy = self.copies.as_ref().zip(copy);
        let key = key_under(&content, &self.configuration, copy);
        if known(&key) {
            return Ok(Done { content, key, tensor: None });
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tensor = free.unwrap_or_else(|| vec![0.0; self.row_len]);
        let mut random = copy.map(|(copies, number)| copies.random(&content, number));
        let ComputedTensor { frames, frames_cut, source } = pipeline.tensor(random.as_mut(), &mut tensor)?;
        let checksum = Checksum::of_row(&tensor, frames);
        let row = RowInfo { key, frames, frames_cut, checksum, source };
        Ok(Done { content, key, tensor: Some((tensor, row)) })
    }
}
