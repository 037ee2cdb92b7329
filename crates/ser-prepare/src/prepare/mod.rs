//! From a folder of recordings to a cache: scan, hash, decode, extract, store, split.
//!
//! Work flows through in batches, so that memory does not grow with the corpus. What a run has stored in whole
//! shards the next one finds, also if it was killed before it wrote the index.

mod candidate;
mod candidates;
mod frames;
mod near_duplicates;
mod options;
mod portions;
mod report;
mod seen_files;
mod select;
mod shared_annotations;
mod splits;
mod store;
mod work;

use std::time::Instant;

use rayon::prelude::*;
use ser_cache::audit::require_any;
use ser_cache::{
    CutFrames, FeatureSet, Generation, Index, Sha, TensorEntry, TensorKey, WriterLock, audit_folder,
    augmented_set_id, check_splits_place, index_path, manifests_folder, point_splits_at, shards_folder,
};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::{Corpora, read_ahead};

use crate::audit::{Originals, measured};
use crate::pipeline::Extractors;
use crate::prepare::candidate::{Candidate, add_copies};
use crate::prepare::candidates::find_candidates;
use crate::prepare::frames::with_frames;
use crate::prepare::portions::{PortionRecord, Portions};
use crate::prepare::seen_files::{FilesOf, KnownFiles};
use crate::prepare::select::CandidateTensors;
use crate::prepare::splits::Splits;
use crate::prepare::store::Store;
use crate::prepare::work::{FileWork, PreparedFile, UtteranceWork, Workers};

pub use candidates::{LabelledRecording, recordings};
pub use near_duplicates::NearDuplicates;
pub use options::{DEFAULT_SHARD_BYTES, PrepareOptions};
pub use portions::Portion;
pub use report::{CorpusReport, Duplicate, NearDuplicatePair, PrepareReport, Remark};

/// How many files are handled between two looks at what came out, and how many bytes their tensors may take. One
/// such batch is stored while the next is computed.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 128 << 20;

/// Brings the cache in `options.out` up to date with the corpora in `options.data`.
///
/// # Errors
/// When the corpus holds nothing usable or contradicts itself, when the cache cannot be written, or, with
/// `strict`, when any file cannot be used. What was in the cache before stays as it was.
pub fn prepare(
    options: &PrepareOptions,
    storage: &Storage,
    progress: &dyn Progress,
) -> Result<PrepareReport> {
    prepare_by(options, None, storage, progress)
}

/// The same with extractors that compute `options.features`, such as a pretrained encoder's; without any, those of
/// [`ser_features::Extractor`].
///
/// # Errors
/// As [`prepare`].
pub fn prepare_by(
    options: &PrepareOptions,
    extractors: Option<&dyn Extractors>,
    storage: &Storage,
    progress: &dyn Progress,
) -> Result<PrepareReport> {
    let started = Instant::now();
    let options = &*with_frames(options, progress)?;
    // What can be said before anything is made or computed is said first.
    let mut preparation = Preparation::scan(options)?;
    let lock = match options.dry_run {
        true => preparation.plan().map(|()| None)?,
        false => Some(preparation.run(extractors, storage, progress)?),
    };
    let mut report = preparation.report;
    report.seconds = started.elapsed().as_secs_f64();
    if lock.is_some() {
        report.real_time_factor = report.seconds / report.audio_seconds.max(1e-9);
        report.write(storage, &options.out.join("prep-report.json"))?;
    }
    Ok(report)
}

/// A preparation under way.
struct Preparation<'a> {
    options: &'a PrepareOptions,
    /// The canonical feature configuration, part of every key.
    configuration: String,
    corpora: Corpora,
    candidates: Vec<Candidate>,
    /// What this run says of itself, if it prepares a portion.
    record: Option<PortionRecord>,
    /// What other runs have prepared for this one.
    portions: Portions,
    report: PrepareReport,
}

impl<'a> Preparation<'a> {
    /// Finds the recordings and their labels, and makes sure that they can be split at all.
    fn scan(options: &'a PrepareOptions) -> Result<Self> {
        let configuration = options.features.to_canonical_json();
        options.validate()?;
        let set = augmented_set_id(&configuration, options.augment.as_ref());
        let mut report = PrepareReport::new(options, set);
        let (corpora, mut candidates) = find_candidates(options, &mut report)?;
        let mut scanned = Self {
            options,
            configuration,
            corpora,
            candidates: Vec::new(),
            record: None,
            portions: Portions::default(),
            report,
        };
        refuse_failures(options, &scanned.report)?;
        let originals = candidates.iter().filter(|candidate| candidate.annotation.parent.is_none());
        ser_corpus::split::check_classes(originals.map(|candidate| &*candidate.annotation.label))
            .map_err(|error| explain(error, options, &scanned.report))?;
        add_copies(&mut candidates, options.augment.as_ref());
        let id = &scanned.report.feature_set;
        scanned.record = PortionRecord::of(options, &candidates, id);
        PortionRecord::check_folder(scanned.record.as_ref(), &options.out)?;
        scanned.portions = Portions::open(options, &candidates, id)?;
        if let Some(portion) = options.portion {
            candidates.retain(|candidate| portion.has(candidate.source()));
        }
        scanned.candidates = candidates;
        Ok(scanned)
    }

    /// Says what would be done, and changes nothing.
    fn plan(&mut self) -> Result<()> {
        let mut index = self.index()?;
        let store = Store::open(self.options, &mut index, None)?;
        self.report.plan(&self.candidates, &store, &self.configuration, self.options.augment.as_ref());
        Ok(())
    }

    /// Computes what is missing, splits the utterances and commits, as the cache's only writer.
    fn run(
        &mut self,
        extractors: Option<&dyn Extractors>,
        storage: &Storage,
        progress: &dyn Progress,
    ) -> Result<WriterLock> {
        let out = &self.options.out;
        storage.make_folder(out)?;
        let lock = WriterLock::take(out, self.options.wait)?;
        // Once more: what was waited for may have made a portion, or a whole cache, of this folder.
        PortionRecord::check_folder(self.record.as_ref(), out)?;
        // First of all, so that a portion that was stopped is never taken for a whole cache.
        if let Some(record) = &self.record {
            record.write(storage, out)?;
        }
        let mut index = self.index()?;
        let mut store = Store::open(self.options, &mut index, Some(storage))?;
        for folder in [out.clone(), shards_folder(out), manifests_folder(out), audit_folder(out)] {
            storage.clear_scratch(&folder)?;
        }
        self.compute(&mut store, extractors, progress)?;
        let (configuration, copies) = (&self.configuration, self.options.augment.as_ref());
        let used = self.candidates.iter().filter(|candidate| candidate.is_stored);
        let written = store.finish(used.filter_map(|one| one.key_under(configuration, copies)))?;
        self.report.shards_written = written.shards;
        self.report.bytes_written = written.bytes;
        match self.record {
            Some(_) => {
                let seconds = |entry: &TensorEntry| entry.row.source.duration_s();
                self.report.audio_seconds = written.set.entries.iter().map(seconds).sum();
                self.list(written.set, index, storage)?;
            }
            None => {
                let manifests = self.write_splits(&written.set, storage)?;
                self.list(FeatureSet { manifests, ..written.set }, index, storage)?;
                point_splits_at(storage, out, &manifests)?;
            }
        }
        Ok(lock)
    }

    /// Makes sure that the store holds the tensor of every usable candidate, and marks these as stored.
    fn compute(
        &mut self,
        store: &mut Store,
        extractors: Option<&dyn Extractors>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let Self { options, configuration, corpora, candidates, portions, report, .. } = self;
        let mut work: Vec<&mut Candidate> = Vec::new();
        for candidate in candidates {
            let key = candidate.key_under(configuration, options.augment.as_ref());
            if let Some(key) = &key {
                store.take_from(portions, key)?;
            }
            candidate.is_stored = key.is_some_and(|key| store.holds(&key));
            match candidate.is_stored {
                true => report.reused += 1,
                false => work.push(candidate),
            }
        }
        let workers = Workers::new(options, corpora, configuration, extractors)?;
        progress.start(work.len() as u64, "files");
        let row_bytes = options.features.shape().iter().product::<usize>().saturating_mul(size_of::<f32>());
        let known = store.known();
        let is_known = |key: &TensorKey| known.contains(key) || portions.have(key);
        let mut take = |batch: &mut [&mut Candidate], outcomes: Vec<PreparedFile>| -> Result<()> {
            report.bytes_read += outcomes.iter().map(|outcome| outcome.bytes_read).sum::<u64>();
            let outcomes = outcomes.into_iter().flat_map(|outcome| outcome.utterances);
            for (candidate, outcome) in batch.iter_mut().zip(outcomes) {
                match outcome {
                    Ok(done) => {
                        candidate.content = Some(done.file);
                        candidate.is_stored = true;
                        let mut is_new = false;
                        match done.tensor {
                            Some((features, row)) => {
                                is_new = store.push(&features, row)?;
                                workers.recycle(features);
                            }
                            None => store.take_from(portions, &done.key)?,
                        }
                        *if is_new { &mut report.computed } else { &mut report.reused } += 1;
                    }
                    // Without its store nothing else can be read either, and a corpus must not seem smaller for that.
                    Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
                    Err(error) => report.fail(candidate.path.to_string(), &error),
                }
            }
            progress.advance(batch.len() as u64);
            Ok(())
        };
        let most = (BATCH_BYTES / row_bytes.max(1)).max(1);
        let mut previous: (&mut [&mut Candidate], Vec<PreparedFile>) = (&mut [], Vec::new());
        let mut rest = &mut work[..];
        while !rest.is_empty() {
            let length = batch_length(rest, most);
            // Requests to a store for what comes after this batch are under way while it is computed.
            let soon = rest
                .iter()
                .take(length + BATCH)
                .filter_map(|candidate| corpora.location(candidate.source()).ok());
            read_ahead(soon);
            let batch;
            (batch, rest) = rest.split_at_mut(length);
            let (done, outcomes) = previous;
            let files: Vec<FileWork<'_>> = batch
                .chunk_by(|a, b| a.source() == b.source())
                .map(|of_file| FileWork {
                    path: of_file.first().map_or("", |candidate| candidate.source()),
                    utterances: of_file
                        .iter()
                        .map(|candidate| UtteranceWork {
                            segment: candidate.segment(),
                            copy: candidate.copy_number(),
                        })
                        .collect(),
                })
                .collect();
            let compute = || files.par_iter().map(|file| workers.process(file, &is_known)).collect();
            let computed = workers.install(compute, || take(done, outcomes))?;
            previous = (batch, computed);
        }
        take(previous.0, previous.1)?;
        progress.finish();
        if options.augment.is_some() {
            report.forget_copies_of_failures();
        }
        Ok(())
    }

    /// The cache's index, or an empty one. What it knows of unchanged files goes to the candidates.
    fn index(&mut self) -> Result<Index> {
        let out = &self.options.out;
        check_splits_place(out)?;
        let mut index = Index::read(&index_path(out))?.unwrap_or_default();
        let mut seen = std::mem::take(&mut index.files);
        seen.append(&mut self.portions.files);
        if !self.options.rehash {
            KnownFiles::new(seen).recall(&mut self.candidates);
        }
        Ok(index)
    }

    /// Selects the utterances among the candidates, splits them by every protocol, and writes the manifests; returns the
    /// name of their generation.
    fn write_splits(&mut self, set: &FeatureSet, storage: &Storage) -> Result<Sha> {
        let Self { options, candidates, configuration, corpora, report, .. } = self;
        let out = &options.out;
        let tensors = CandidateTensors { candidates, set, configuration, copies: options.augment.as_ref() };
        let utterances = select::select(&tensors, &options.limits, report)?;
        let recordings = utterances.iter().filter(|utterance| !utterance.is_copy());
        let originals = recordings.map(|utterance| (&utterance.entry.row.key, utterance.path()));
        let originals = Originals::new(configuration, corpora, originals);
        let entries = utterances.iter().map(|selected| selected.entry);
        let measured = measured(out, set, entries, &originals, options.jobs)?;
        drop(originals);
        let utterances = near_duplicates::resolve(utterances, &measured, options.near_duplicates, report);
        report.copies = utterances.iter().filter(|utterance| utterance.is_copy()).count();
        let recordings = utterances.iter().filter(|utterance| !utterance.is_copy());
        report.cut_frames = CutFrames::of(recordings.clone().map(|recording| &recording.entry.row));
        report.summarise(recordings.map(|u| (u.annotation(), u.entry.row.source.duration_s())));
        refuse_failures(options, report)?;
        let shard_names = splits::shard_names(set);
        let splits = Splits::new(&utterances, set, &shard_names, options, &measured)
            .map_err(|error| explain(error, options, report))?;
        let generation = Generation::of(splits.manifests_noted_in(report))?;
        let audits = report.audits.iter().map(|(protocol, audit)| (protocol.as_str(), audit));
        require_any(&options.require, audits)?;
        measured.write(storage, out, &set.id)?;
        let manifests = manifests_folder(out);
        storage.make_folder(&manifests)?;
        generation.write(storage, &manifests, splits.manifests(|_| ()))?;
        Ok(generation.name())
    }

    /// Makes `set` the newest feature set in the index: from here on readers see it.
    fn list(&self, set: FeatureSet, mut index: Index, storage: &Storage) -> Result<()> {
        index.feature_sets.retain(|old| old.id != set.id);
        index.feature_sets.push(set);
        let index = Index { feature_sets: index.feature_sets, files: FilesOf(&self.candidates) };
        index.write(storage, &index_path(&self.options.out))
    }
}

/// How many of `work` make a batch: about [`BATCH`], and no file's utterances on two sides of its end, so that each file
/// is read and decoded once; but never more than `most`, which bounds the memory.
fn batch_length(work: &[&mut Candidate], most: usize) -> usize {
    let least = BATCH.min(most).min(work.len());
    let last = |length: usize| work.get(length.wrapping_sub(1)).map(|candidate| candidate.source());
    let is_whole = |length: &usize| last(*length) != work.get(*length).map(|candidate| candidate.source());
    (least..=most.min(work.len())).find(is_whole).unwrap_or(most.min(work.len()))
}

/// Refuses to go on with unusable recordings or doubtful classes where the options are strict.
fn refuse_failures(options: &PrepareOptions, report: &PrepareReport) -> Result<()> {
    if !options.strict {
        return Ok(());
    }
    if !report.failed.is_empty() {
        let (count, lines) = (report.failed.len(), report.failed_lines(usize::MAX));
        return Err(Error::new(ErrorKind::Unusable, format!("{count} recordings cannot be used:{lines}"))
            .help(remedy!["fix or remove them, or drop ", Setting::Strict]));
    }
    if !report.doubts.is_empty() {
        let doubt = |Remark { path, text }: &Remark| format!("\n  {path}: {text}");
        let doubts: String = report.doubts.iter().map(doubt).collect();
        return Err(Error::new(ErrorKind::Unusable, format!("labels or speakers are doubtful:{doubts}")));
    }
    Ok(())
}

/// Adds to an error about the whole corpus which recordings could not be used, since that may be its cause.
fn explain(error: Error, options: &PrepareOptions, report: &PrepareReport) -> Error {
    let error = match report.failed.is_empty() {
        true => error,
        false => {
            let what = format!("{}; what could not be used:{}", error.reason(), report.failed_lines(20));
            let error = Error::new(error.kind(), what);
            match report.corpora.iter().find_map(|corpus| corpus.suggestion.clone()) {
                Some(suggestion) => error.help(suggestion),
                None => error,
            }
        }
    };
    match &options.data[..] {
        [only] => error.at(&only.folder),
        _ => error,
    }
}
