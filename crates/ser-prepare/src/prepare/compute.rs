//! Computes the tensors that are missing, a batch of files at a time.

use rayon::prelude::*;
use ser_cache::TensorKey;
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{ErrorKind, Result, remedy};
use ser_corpus::{Corpora, read_ahead};

use crate::prepare::PrepareReport;
use crate::prepare::candidates::Candidates;
use crate::prepare::file_records::FileRecords;
use crate::prepare::portions::Portions;
use crate::prepare::store::Store;
use crate::prepare::work::{FileWork, PreparedFile, UtteranceWork, Workers};

/// How many files are handled between two looks at what came out, and how many bytes their tensors may take. One
/// such batch is stored while the next is computed.
pub(super) const BATCH: usize = 64;
const BATCH_BYTES: usize = 128 << 20;

/// Candidates whose tensors are missing, and what comes of them.
pub(super) struct Missing<'a> {
    pub(super) candidates: &'a Candidates,
    pub(super) corpora: &'a Corpora,
    /// What other runs have prepared for this one.
    pub(super) portions: &'a Portions,
    pub(super) workers: &'a Workers,
    pub(super) records: &'a mut FileRecords,
    pub(super) store: &'a mut Store,
    /// Of each candidate, whether the store holds its tensor.
    pub(super) is_stored: &'a mut [bool],
    pub(super) report: &'a mut PrepareReport,
}

impl Missing<'_> {
    /// Computes the tensors, of this shape, of all candidates that the store does not hold. Those that cannot be computed are
    /// named in the report.
    ///
    /// # Errors
    /// When the store cannot be written, or a corpus cannot be reached.
    pub(super) fn compute(mut self, shape: [usize; 3], progress: &dyn Progress) -> Result<()> {
        let missing = |position: &u32| !self.is_stored[*position as usize];
        let work: Vec<u32> = (0..).take(self.candidates.len()).filter(missing).collect();
        progress.start(work.len() as u64, "files");
        self.store.reserve(work.len());
        let row_bytes = shape.iter().product::<usize>().saturating_mul(size_of::<f32>());
        let most = (BATCH_BYTES / row_bytes.max(1)).max(1);
        let (known, portions) = (self.store.known(), self.portions);
        let is_known = |key: &TensorKey| known.contains(key) || portions.have(key);
        let Self { candidates, corpora, workers, .. } = self;
        let source = |position: &u32| candidates.at(*position as usize).source();
        let mut previous: (&[u32], Vec<PreparedFile>) = (&[], Vec::new());
        let mut rest = work.as_slice();
        while !rest.is_empty() {
            let length = batch_length(rest, most, source);
            // Requests to a store for what comes after this batch are under way while it is computed.
            let soon = rest.iter().take(length + BATCH);
            read_ahead(soon.filter_map(|position| corpora.location(source(position)).ok()));
            let batch;
            (batch, rest) = rest.split_at(length);
            let files: Vec<FileWork<'_>> = batch
                .chunk_by(|a, b| source(a) == source(b))
                .map(|of_file| work_on(candidates, of_file))
                .collect();
            let compute = || files.par_iter().map(|file| workers.process(file, &is_known)).collect();
            let computed = workers.install(compute, || self.take(previous.0, previous.1, progress))?;
            previous = (batch, computed);
        }
        self.take(previous.0, previous.1, progress)?;
        progress.finish();
        Ok(())
    }

    /// Stores and notes what came out of a batch.
    fn take(&mut self, batch: &[u32], outcomes: Vec<PreparedFile>, progress: &dyn Progress) -> Result<()> {
        self.report.bytes_read += outcomes.iter().map(|outcome| outcome.bytes_read).sum::<u64>();
        let outcomes = outcomes.into_iter().flat_map(|outcome| outcome.utterances);
        for (position, outcome) in batch.iter().map(|position| *position as usize).zip(outcomes) {
            match outcome {
                Ok(done) => {
                    self.records.at_mut(position)?.content = Some(done.file);
                    self.is_stored[position] = true;
                    let mut is_new = false;
                    match done.tensor {
                        Some((features, row)) => {
                            is_new = self.store.push(&features, row)?;
                            self.workers.recycle(features);
                        }
                        None => self.store.take_from(self.portions, &done.key)?,
                    }
                    *if is_new { &mut self.report.computed } else { &mut self.report.reused } += 1;
                }
                // Without its store nothing else can be read either, and a corpus must not seem smaller for that.
                Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
                // Nor for a lack of memory, or a GPU that has failed.
                Err(error) if error.kind() == ErrorKind::Computation => {
                    return Err(error.help(remedy![
                        "give a smaller ",
                        Setting::Jobs,
                        ", or another ",
                        Setting::Device
                    ]));
                }
                Err(error) => self.report.fail(self.candidates.at(position).path.to_owned(), &error),
            }
        }
        progress.advance(batch.len() as u64);
        Ok(())
    }
}

/// What is to be done with a file, of which these are candidates.
fn work_on<'a>(candidates: &'a Candidates, of_file: &[u32]) -> FileWork<'a> {
    let all = || of_file.iter().map(|position| candidates.at(*position as usize));
    FileWork {
        path: all().next().map_or("", |candidate| candidate.source()),
        utterances: all()
            .map(|candidate| UtteranceWork { segment: candidate.segment(), copy: candidate.copy_number() })
            .collect(),
    }
}

/// How many of `work` make a batch: about [`BATCH`], and no file's utterances on two sides of its end, so that each file
/// is read and decoded once; but never more than `most`, which bounds the memory.
fn batch_length<'a>(work: &[u32], most: usize, source: impl Fn(&u32) -> &'a str) -> usize {
    let least = BATCH.min(most).min(work.len());
    let last = |length: usize| work.get(length.wrapping_sub(1)).map(&source);
    let is_whole = |length: &usize| last(*length) != work.get(*length).map(&source);
    (least..=most.min(work.len())).find(is_whole).unwrap_or(most.min(work.len()))
}
