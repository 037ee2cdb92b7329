//! From a folder of recordings to a cache: scan, hash, decode, extract, store, split.
//!
//! Work flows through in batches, so that memory does not grow with the corpus. What a run has stored in whole
//! shards the next one finds, also if it was killed before it wrote the index.

mod candidates;
mod compute;
mod file_records;
mod find_candidates;
mod frames;
mod known_tensors;
mod near_duplicates;
mod options;
mod portions;
mod report;
mod seen_files;
mod select;
mod selection;
mod shared_annotations;
mod splits;
mod store;
mod work;

use std::time::Instant;

use ser_cache::audit::require_any;
use ser_cache::{
    CutFrames, FeatureSet, Generation, Index, SeenFile, Sha, TensorEntry, TensorKey, WriterLock,
    audit_folder, augmented_set_id, check_splits_place, index_path, manifests_folder, point_splits_at,
    shards_folder,
};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, allocator, remedy};
use ser_corpus::Corpora;

use crate::audit::{Originals, measured};
use crate::pipeline::Extractors;
use crate::prepare::candidates::{Candidate, Candidates};
use crate::prepare::compute::Missing;
use crate::prepare::file_records::{FileRecord, FileRecords};
use crate::prepare::find_candidates::find_candidates;
use crate::prepare::frames::with_frames;
use crate::prepare::portions::{PortionRecord, Portions};
use crate::prepare::seen_files::{FilesOf, Recall};
use crate::prepare::selection::CandidateTensors;
use crate::prepare::splits::Splits;
use crate::prepare::store::Store;
use crate::prepare::work::Workers;

pub use find_candidates::{LabelledRecording, recordings};
pub use near_duplicates::NearDuplicates;
pub use options::{DEFAULT_SHARD_BYTES, PrepareOptions};
pub use portions::Portion;
pub use report::{CorpusReport, Duplicate, NearDuplicatePair, PrepareReport, Remark};

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
    candidates: Candidates,
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
            candidates: Candidates::default(),
            record: None,
            portions: Portions::default(),
            report,
        };
        refuse_failures(options, &scanned.report)?;
        let originals = candidates.iter().filter(|candidate| candidate.annotation.parent.is_none());
        ser_corpus::split::check_classes(originals.map(|candidate| &*candidate.annotation.label))
            .map_err(|error| explain(error, options, &scanned.report))?;
        candidates.add_copies(options.augment.as_ref());
        let id = &scanned.report.feature_set;
        scanned.record = PortionRecord::of(options, &candidates, id);
        PortionRecord::check_folder(scanned.record.as_ref(), &options.out)?;
        scanned.portions = Portions::open(options, &candidates, id)?;
        if let Some(portion) = options.portion {
            candidates.retain(|candidate| portion.has(candidate.source()));
        }
        scanned.candidates = candidates;
        // Of the names that the scan found, a buffer for each recording.
        allocator::give_back_freed_memory();
        Ok(scanned)
    }

    /// Says what would be done, and changes nothing.
    fn plan(&mut self) -> Result<()> {
        let mut records = FileRecords::new(self.candidates.take_stats(), None)?;
        let mut sets = self.recall(&mut records)?;
        let store = Store::open(self.options, &mut sets, None)?;
        let mut reused = 0;
        for known in self.keys(&records) {
            reused += usize::from(store.holds(&known?.1));
        }
        self.report.plan(&self.candidates, reused);
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
        let mut records = FileRecords::new(self.candidates.take_stats(), Some(out))?;
        let mut sets = self.recall(&mut records)?;
        let mut store = Store::open(self.options, &mut sets, Some(storage))?;
        for folder in [out.clone(), shards_folder(out), manifests_folder(out), audit_folder(out)] {
            storage.clear_scratch(&folder)?;
        }
        let is_stored = self.compute(&mut store, &mut records, extractors, progress)?;
        let stored = |known: &Result<(u32, TensorKey)>| {
            known.as_ref().map_or(true, |(candidate, _)| is_stored[*candidate as usize])
        };
        let used = self.keys(&records).filter(stored).map(|known| known.map(|(_, key)| key));
        let written = store.finish(used)?;
        self.report.shards_written = written.shards;
        self.report.bytes_written = written.bytes;
        match self.record {
            Some(_) => {
                let seconds = |entry: &TensorEntry| entry.row.source.duration_s();
                self.report.audio_seconds = written.set.entries.iter().map(seconds).sum();
                self.list(written.set, sets, &records, storage)?;
            }
            None => {
                let mut report = std::mem::take(&mut self.report);
                let stored = self.keys(&records).filter(stored);
                let manifests = self.write_splits(&written.set, stored, &mut report, storage);
                self.report = report;
                let manifests = manifests?;
                self.list(FeatureSet { manifests, ..written.set }, sets, &records, storage)?;
                point_splits_at(storage, out, &manifests)?;
            }
        }
        Ok(lock)
    }

    /// Makes sure that the store holds the tensor of every usable candidate; for each whether it does.
    fn compute(
        &mut self,
        store: &mut Store,
        records: &mut FileRecords,
        extractors: Option<&dyn Extractors>,
        progress: &dyn Progress,
    ) -> Result<Vec<bool>> {
        let mut is_stored = vec![false; self.candidates.len()];
        for known in self.keys(records) {
            let (candidate, key) = known?;
            store.take_from(&self.portions, &key)?;
            is_stored[candidate as usize] = store.holds(&key);
        }
        self.report.reused += is_stored.iter().filter(|is| **is).count();
        let Self { options, configuration, corpora, candidates, portions, report, .. } = self;
        let workers = Workers::new(options, corpora, configuration, extractors)?;
        let (workers, is_stored_now) = (&workers, &mut is_stored);
        Missing { candidates, corpora, portions, workers, records, store, is_stored: is_stored_now, report }
            .compute(options.features.shape(), progress)?;
        if options.augment.is_some() {
            report.forget_copies_of_failures();
        }
        Ok(is_stored)
    }

    /// The positions of candidates whose content is known, and the keys of their tensors.
    fn keys(&self, records: &FileRecords) -> impl Iterator<Item = Result<(u32, TensorKey)>> {
        let copies = self.options.augment.as_ref();
        let key = move |(position, (candidate, record)): (u32, (Candidate<'_>, Result<FileRecord>))| {
            let content = record.map(|record| record.content).transpose()?;
            let key = |content| (position, candidate.key_under(&content, &self.configuration, copies));
            Some(content.map(key))
        };
        (0..).zip(self.candidates.iter().zip(records.iter())).filter_map(key)
    }

    /// The feature sets of the cache's index, if it has one. What that knows of unchanged files goes to `records`.
    fn recall(&mut self, records: &mut FileRecords) -> Result<Vec<FeatureSet>> {
        let out = &self.options.out;
        check_splits_place(out)?;
        let mut recall = Recall::new(&self.candidates, records);
        let mut told = |seen: SeenFile| if self.options.rehash { Ok(()) } else { recall.take(&seen) };
        let sets = Index::read_telling(&index_path(out), &mut told)?.unwrap_or_default();
        let mut of_portions = std::mem::take(&mut self.portions.files);
        // In the order of the recordings; of two portions that know a file the later one counts.
        of_portions.sort_by(|a, b| a.path.cmp(&b.path));
        of_portions.into_iter().try_for_each(told)?;
        Ok(sets)
    }

    /// Selects the utterances among the candidates, splits them by every protocol, and writes the manifests; returns the
    /// name of their generation.
    fn write_splits(
        &self,
        set: &FeatureSet,
        stored: impl Iterator<Item = Result<(u32, TensorKey)>>,
        report: &mut PrepareReport,
        storage: &Storage,
    ) -> Result<Sha> {
        let Self { options, candidates, configuration, corpora, .. } = self;
        let out = &options.out;
        let mut utterances =
            select::select(CandidateTensors { candidates, set }, stored, &options.limits, report)?;
        let paths = utterances.paths_of_tensors();
        let originals = Originals::new(configuration, corpora, &paths);
        let entries = utterances.iter().map(|selected| selected.entry);
        let measured = measured(out, set, entries, &originals, options.jobs)?;
        drop(paths);
        // Of the search for near-duplicates.
        allocator::give_back_freed_memory();
        near_duplicates::resolve(&mut utterances, &measured, options.near_duplicates, report);
        report.copies = utterances.iter().filter(|utterance| utterance.is_copy()).count();
        let recordings = utterances.iter().filter(|utterance| !utterance.is_copy());
        report.cut_frames = CutFrames::of(recordings.clone().map(|recording| &recording.entry.row));
        report.summarise(recordings.map(|u| (u.annotation(), u.entry.row.source.duration_s())));
        refuse_failures(options, report)?;
        let splits =
            Splits::new(&utterances, options, &measured).map_err(|error| explain(error, options, report))?;
        let generation = Generation::of(splits.manifests_noted_in(report))?;
        let audits = report.audits.iter().map(|(protocol, audit)| (protocol.as_str(), audit));
        require_any(&options.require, audits)?;
        measured.write(storage, out, &set.id)?;
        let manifests = manifests_folder(out);
        storage.make_folder(&manifests)?;
        generation.write(storage, &manifests, splits.manifests(|_| ()))?;
        Ok(generation.name())
    }

    /// Makes `set` the newest of the feature sets in the index: from here on readers see it.
    fn list(
        &self,
        set: FeatureSet,
        mut feature_sets: Vec<FeatureSet>,
        records: &FileRecords,
        storage: &Storage,
    ) -> Result<()> {
        feature_sets.retain(|old| old.id != set.id);
        feature_sets.push(set);
        let files = FilesOf { candidates: &self.candidates, records };
        Index { feature_sets, files }.write(storage, &index_path(&self.options.out))
    }
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
