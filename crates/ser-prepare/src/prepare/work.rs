//! Processing one file: read, hash, decode, extract.

use std::sync::{Mutex, PoisonError};

use ser_audio::{Container, Limits, Loader};
use ser_cache::{Checksum, CopySettings, Hex, RowInfo, Sha, TensorKey, TensorSource};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Corpora;
use ser_features::{Extractor, FeatureConfig};

use crate::copying::Copier;
use crate::prepare::{PrepareOptions, key_under};

/// Threads, and for each of them what it works with.
pub(super) struct Workers {
    pool: rayon::ThreadPool,
    benches: Vec<Mutex<Bench>>,
    /// Tensors that were stored and can be overwritten.
    free: Mutex<Vec<Vec<f32>>>,
    /// Where recordings are.
    corpora: Corpora,
    limits: Limits,
    features: FeatureConfig,
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

/// Buffers and plans of one thread.
struct Bench {
    bytes: Vec<u8>,
    loader: Loader,
    extractor: Extractor,
    copier: Option<Copier>,
}

impl Workers {
    pub(super) fn new(options: &PrepareOptions, corpora: &Corpora, configuration: &str) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build().map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot start threads: {error}")).help("give fewer --jobs")
        })?;
        let features = &options.features;
        let benches = (0..pool.current_num_threads())
            .map(|_| {
                let extractor = Extractor::new(features)?;
                let copier = options.augment.as_ref().map(|copies| Copier::new(copies, features));
                Ok(Mutex::new(Bench {
                    bytes: Vec::new(),
                    loader: Loader::new(features.sample_rate, features.normalisation, options.limits),
                    extractor,
                    copier: copier.transpose()?,
                }))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            pool,
            benches,
            free: Mutex::default(),
            corpora: corpora.clone(),
            limits: options.limits,
            features: features.clone(),
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
        let mut bench = self.benches[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes_read = 0;
        let result = self.process_with(&mut bench, path, copy, known, &mut bytes_read);
        PreparedFile { bytes_read, result: result.map_err(|error| error.at(path)) }
    }

    fn process_with(
        &self,
        bench: &mut Bench,
        path: &str,
        copy: Option<u32>,
        known: &(dyn Fn(&TensorKey) -> bool + Sync),
        bytes_read: &mut u64,
    ) -> Result<Done> {
        let location = self.corpora.location(path)?;
        ser_audio::read_file(&location, &self.limits, &mut bench.bytes)?;
        *bytes_read = bench.bytes.len() as u64;
        let content = Sha::of(&[&bench.bytes]);
        let copy = self.copies.as_ref().zip(copy);
        let key = key_under(&content, &self.configuration, copy);
        if known(&key) {
            return Ok(Done { content, key, tensor: None });
        }
        let clip = bench.loader.load(&mut bench.bytes)?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut features = free.unwrap_or_else(|| vec![0.0; self.features.shape().iter().product()]);
        let recording = clip.recording;
        let (samples, source) = match (copy, &mut bench.copier) {
            (Some((_, number)), Some(copier)) => {
                let samples = copier.copy(&content, number, clip.samples)?;
                (samples, copy_source(samples, self.features.sample_rate, recording.container))
            }
            _ => {
                let source = TensorSource {
                    sample_rate: recording.sample_rate,
                    channels: recording.channels,
                    container: recording.container,
                    samples: recording.samples,
                    sound: Hex(clip.audio_hash.to_be_bytes()),
                };
                (clip.samples, source)
            }
        };
        let extracted = bench.extractor.extract(samples, &mut features)?;
        let frames = extracted.frames as u32;
        let checksum = Checksum::of_row(&features, frames);
        let row = RowInfo { key, frames, frames_cut: extracted.cut as u32, checksum, source };
        Ok(Done { content, key, tensor: Some((features, row)) })
    }
}

/// A copy is what its samples are, at the rate of the features; the container is its parent's.
fn copy_source(samples: &[f32], sample_rate: u32, container: Container) -> TensorSource {
    let sound = Hex(ser_audio::audio_hash(sample_rate, samples).to_be_bytes());
    TensorSource { sample_rate, channels: 1, container, samples: samples.len() as u64, sound }
}
