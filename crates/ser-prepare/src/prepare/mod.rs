//! From a folder of recordings to a cache: scan, hash, decode, extract, store, split.
//!
//! Work flows through in batches, so that memory does not grow with the corpus. What a run has stored in whole
//! shards the next one finds, also if it was killed before it wrote the index.

mod candidates;
mod frames;
mod near_duplicates;
mod options;
mod portions;
mod report;
mod select;
mod splits;
mod store;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use ser_cache::audit::require_any;
use ser_cache::{
    CopySettings, CutFrames, FeatureSet, Generation, Index, SeenFile, Sha, TensorEntry, TensorKey,
    WriterLock, audit_folder, augmented_set_id, check_splits_place, content_of_segment, copy_path,
    index_path, key_of, manifests_folder, point_splits_at, shards_folder,
};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::{Annotation, AudioFile, Corpora, Segment, read_ahead};

use crate::audit::{Originals, measured};
use crate::pipeline::Extractors;
use crate::prepare::candidates::find_candidates;
use crate::prepare::frames::with_frames;
use crate::prepare::portions::{PortionRecord, Portions};
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

/// More threads than this are a typing mistake.
const MOST_JOBS: usize = 1024;

/// A file on its way into the cache. All of them are in memory from the scan to the end, so they are kept small.
struct Candidate {
    file: AudioFile,
    annotation: SharedAnnotation,
    /// Which augmented copy it is of the recording that its annotation names as its parent, if it is one made here.
    copy: Option<u32>,
    /// The SHA-256 of its file, once known.
    content: Option<Sha>,
    /// The key of its tensor, once the store holds that.
    key: Option<TensorKey>,
}

impl Candidate {
    /// The file it is made from: itself, or that of which it is a segment, or the same of the parent of a copy.
    fn source(&self) -> &str {
        let utterance = match &self.annotation.parent {
            Some(parent) if self.copy.is_some() => parent,
            _ => self.file.path.as_str(),
        };
        match self.annotation.segment {
            Some(_) => Segment::parse_path(utterance).0,
            None => utterance,
        }
    }

    /// Its key, if its content is known.
    fn key_under(&self, configuration: &str, copies: Option<&CopySettings>) -> Option<TensorKey> {
        let content = content_of_segment(&self.content?, self.annotation.segment.as_ref());
        Some(key_under(&content, configuration, copies.zip(self.copy)))
    }
}

/// The key of a recording with this content, or of one of its copies.
fn key_under(content: &Sha, configuration: &str, copy: Option<(&CopySettings, u32)>) -> TensorKey {
    match copy {
        None => key_of(content, configuration),
        Some((copies, number)) => copies.key(content, configuration, number),
    }
}

/// An annotation whose names are in memory once for all files.
type SharedAnnotation = Annotation<Arc<str>>;

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
        let used = self.candidates.iter().filter_map(|candidate| candidate.key).collect();
        let written = store.finish(used)?;
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

    /// Makes sure that the store holds the tensor of every usable candidate, and gives these their keys.
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
            candidate.key = key.filter(|key| store.holds(key));
            match candidate.key {
                Some(_) => report.reused += 1,
                None => work.push(candidate),
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
                        candidate.key = Some(done.key);
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
                    Err(error) => report.fail(candidate.file.path.clone(), &error),
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
                            segment: candidate.annotation.segment,
                            copy: candidate.copy,
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
        let seen = [std::mem::take(&mut index.files), std::mem::take(&mut self.portions.files)].concat();
        recall_contents(&mut self.candidates, &seen, self.options.rehash);
        Ok(index)
    }

    /// Selects the utterances among the candidates, splits them by every protocol, and writes the manifests; returns the
    /// name of their generation.
    fn write_splits(&mut self, set: &FeatureSet, storage: &Storage) -> Result<Sha> {
        let Self { options, candidates, report, .. } = self;
        let out = &options.out;
        let utterances = select::select(candidates, set, &options.limits, report)?;
        let originals = Originals {
            configuration: &self.configuration,
            locations: (utterances.iter().filter(|utterance| !utterance.copy))
                .map(|utterance| {
                    let location = self.corpora.location(utterance.path)?;
                    Ok((utterance.entry.row.key, (location, utterance.annotation.segment)))
                })
                .collect::<Result<_>>()?,
        };
        let entries = utterances.iter().map(|selected| selected.entry);
        let measured = measured(out, set, entries, &originals, options.jobs)?;
        let utterances = near_duplicates::resolve(utterances, &measured, options.near_duplicates, report);
        report.copies = utterances.iter().filter(|utterance| utterance.copy).count();
        let recordings = utterances.iter().filter(|utterance| !utterance.copy);
        report.cut_frames = CutFrames::of(recordings.clone().map(|recording| &recording.entry.row));
        report.summarise(recordings.map(|u| (u.annotation, u.entry.row.source.duration_s())));
        refuse_failures(options, report)?;
        let shard_names = splits::shard_names(set);
        let splits = Splits::new(&utterances, set, &shard_names, options, &measured)
            .map_err(|error| explain(error, options, report))?;
        drop(utterances);
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
    fn list(&mut self, set: FeatureSet, mut index: Index, storage: &Storage) -> Result<()> {
        index.feature_sets.retain(|old| old.id != set.id);
        index.feature_sets.push(set);
        index.files = seen_files(std::mem::take(&mut self.candidates));
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

/// Adds the copies of every recording that is none itself, after all recordings.
fn add_copies(candidates: &mut Vec<Candidate>, copies: Option<&CopySettings>) {
    let Some(copies) = copies else { return };
    let originals = candidates.len();
    for index in 0..originals {
        let Candidate { file, annotation, .. } = &candidates[index];
        if annotation.parent.is_some() {
            continue;
        }
        let parent: Arc<str> = file.path.as_str().into();
        let (stat, annotation) = (file.stat, annotation.clone());
        candidates.extend((1..=copies.copies).map(|number| Candidate {
            file: AudioFile { path: copy_path(&parent, number), stat },
            annotation: Annotation { parent: Some(parent.clone()), notes: Vec::new(), ..annotation.clone() },
            copy: Some(number),
            content: None,
            key: None,
        }));
    }
}

/// Takes the content of files whose stat has not changed from those `seen` before.
fn recall_contents(candidates: &mut [Candidate], seen: &[SeenFile], rehash: bool) {
    if rehash {
        return;
    }
    let seen: HashMap<&str, &SeenFile> = seen.iter().map(|seen| (seen.path.as_str(), seen)).collect();
    for candidate in candidates {
        let seen = seen.get(candidate.source()).filter(|seen| seen.stat == candidate.file.stat);
        candidate.content = seen.map(|seen| seen.content);
    }
}

fn seen_files(candidates: Vec<Candidate>) -> Vec<SeenFile> {
    let mut seen: Vec<SeenFile> = Vec::new();
    for candidate in candidates.into_iter().filter(|candidate| candidate.copy.is_none()) {
        let Some(content) = candidate.content else { continue };
        // The segments of a file follow each other.
        if seen.last().is_none_or(|last| last.path != candidate.source()) {
            let path = candidate.source().to_owned();
            seen.push(SeenFile { path, stat: candidate.file.stat, content });
        }
    }
    seen
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
