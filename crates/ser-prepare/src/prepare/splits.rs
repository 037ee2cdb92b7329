//! The splits of the selected utterances, as manifests.

use std::collections::{BTreeMap, BTreeSet};

use ser_cache::audit::Measured;
use ser_cache::{FeatureSet, SplitInfo, SplitManifest, Utterance, manifest_shard};
use ser_core::Result;
use ser_corpus::split::{Side, Split, SplitPlanner, UtteranceInfo};

use crate::audit::audit_split;
use crate::prepare::select::Selected;
use crate::prepare::{PrepareOptions, PrepareReport};

/// The selected utterances, and how they are assigned to the sides of every protocol the corpus allows.
pub(super) struct Splits<'a> {
    planner: SplitPlanner<'a>,
    utterances: Vec<Utterance<&'a str>>,
    set: &'a FeatureSet,
    options: &'a PrepareOptions,
    measured: &'a Measured,
}

/// How manifests name the shards of `set`.
pub(super) fn shard_names(set: &FeatureSet) -> Vec<String> {
    set.shards.iter().map(manifest_shard).collect()
}

impl<'a> Splits<'a> {
    /// Prepares to split `selected`, whose tensors are in `set`.
    ///
    /// # Errors
    /// When the corpus cannot be split at all.
    pub(super) fn new(
        selected: &[Selected<'a>],
        set: &'a FeatureSet,
        shard_names: &'a [String],
        options: &'a PrepareOptions,
        measured: &'a Measured,
    ) -> Result<Self> {
        let subjects = (selected.iter())
            .map(|one| UtteranceInfo { parent: one.parent, ..UtteranceInfo::of(one.path, one.annotation) })
            .collect();
        let planner = SplitPlanner::new(subjects, options.fractions, options.seed)?.with_folds(options.folds);
        let utterances: Vec<_> = selected.iter().map(|selected| utterance(selected, shard_names)).collect();
        Ok(Self { planner, utterances, set, options, measured })
    }

    /// The manifests of every protocol, each made when it is asked for. `leave_out` is told why others cannot be.
    pub(super) fn manifests(
        &self,
        leave_out: impl FnMut(String),
    ) -> impl Iterator<Item = SplitManifest<&Utterance<&'a str>>> {
        self.planner.splits(leave_out).map(|split| self.manifest_of(&split))
    }

    /// The same, noted in `report` as they are made.
    pub(super) fn manifests_noted_in(
        &self,
        report: &mut PrepareReport,
    ) -> impl Iterator<Item = SplitManifest<&Utterance<&'a str>>> {
        let PrepareReport { left_out, splits, audits, validation, .. } = report;
        self.manifests(|why| left_out.push(why)).inspect(|SplitManifest { info, .. }| {
            splits.insert(info.protocol.clone(), info.counts.clone());
            audits.insert(info.protocol.clone(), info.audit.clone());
            validation.extend(info.validation.map(|by| (info.protocol.clone(), by)));
        })
    }

    fn manifest_of(&self, split: &Split) -> SplitManifest<&Utterance<&'a str>> {
        let side = |part: Side| -> Vec<_> { split.side(part).iter().map(|&i| &self.utterances[i]).collect() };
        let labels = labels_of(Side::ALL.iter().flat_map(|part| side(*part)));
        let mut counts_by_label: BTreeMap<String, BTreeMap<Side, usize>> =
            labels.iter().map(|label| (label.clone(), Side::ALL.map(|part| (part, 0)).into())).collect();
        for part in Side::ALL {
            for utterance in split.side(part).iter().map(|&i| &self.utterances[i]) {
                let counts = counts_by_label.get_mut(utterance.label);
                if let Some(count) = counts.and_then(|counts| counts.get_mut(&part)) {
                    *count += 1;
                }
            }
        }
        let sides = Side::ALL.map(side);
        let [train, val, test] = &sides;
        let audit = audit_split([train, val, test], &labels, self.measured);
        let info = SplitInfo {
            protocol: split.protocol.to_string(),
            seed: self.options.seed,
            feature_set: self.set.id.clone(),
            labels,
            fractions: self.options.fractions,
            counts: Side::ALL.map(|part| (part, split.side(part).len())).into(),
            left_out: split.left_out,
            validation: split.validation,
            augmentation: self.options.augment.clone(),
            counts_by_label,
            audit,
            manifests: BTreeMap::new(),
        };
        SplitManifest { info, sides: Side::ALL.into_iter().zip(sides).collect() }
    }
}

fn utterance<'a>(selected: &Selected<'a>, shard_names: &'a [String]) -> Utterance<&'a str> {
    let (entry, annotation) = (selected.entry, selected.annotation);
    Utterance {
        key: entry.row.key,
        path: selected.path,
        start_s: annotation.segment.map(|segment| segment.start().as_secs_f64()),
        end_s: annotation.segment.and_then(|segment| segment.end()).map(|end| end.as_secs_f64()),
        label: &annotation.label,
        speaker: annotation.speaker.as_deref(),
        word: annotation.word.as_deref(),
        session: annotation.session.as_deref(),
        parent: selected.parent,
        corpus: annotation.corpus.as_deref(),
        sample_rate: entry.row.source.sample_rate,
        duration_s: entry.row.source.duration_s(),
        frames: entry.row.frames,
        shard: shard_names.get(entry.shard as usize).map_or("", String::as_str),
        row: entry.position,
    }
}

/// Every class, sorted: its place is its index.
fn labels_of<'a>(utterances: impl Iterator<Item = &'a Utterance<&'a str>>) -> Vec<String> {
    let labels: BTreeSet<&str> = utterances.map(|utterance| utterance.label).collect();
    labels.into_iter().map(str::to_owned).collect()
}
