//! The splits of the selected utterances, as manifests.

use std::collections::{BTreeMap, BTreeSet};

use ser_cache::audit::Measured;
use ser_cache::{ManifestLine, SplitInfo, SplitManifest, Utterance};
use ser_core::Result;
use ser_corpus::split::{Side, Split, SplitPlanner, UtteranceInfo, Utterances};

use crate::audit::audit_split;
use crate::prepare::selection::Selection;
use crate::prepare::{PrepareOptions, PrepareReport};

/// The selected utterances, and how they are assigned to the sides of every protocol the corpus allows.
pub(super) struct Splits<'a> {
    planner: SplitPlanner<'a>,
    selection: &'a Selection<'a>,
    options: &'a PrepareOptions,
    measured: &'a Measured<'a>,
}

/// What splits depend on, of each utterance when it is asked for.
struct Subjects<'a>(&'a Selection<'a>);

impl<'a> Utterances<'a> for Subjects<'a> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> UtteranceInfo<'a> {
        let selected = self.0.at(index);
        UtteranceInfo { parent: selected.parent, ..UtteranceInfo::of(selected.path(), selected.annotation()) }
    }
}

/// A line of a manifest, as what it is made of.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    selection: &'a Selection<'a>,
    /// Which of the selected utterances it is about.
    index: usize,
}

impl<'a> Line<'a> {
    fn label(&self) -> &'a str {
        &self.selection.at(self.index).annotation().label
    }
}

impl ManifestLine for Line<'_> {
    fn line(&self) -> Utterance<&str> {
        let selected = self.selection.at(self.index);
        let (entry, annotation) = (selected.entry, selected.annotation());
        let segment = selected.segment();
        Utterance {
            key: entry.row.key,
            path: selected.path(),
            start_s: segment.map(|segment| segment.start().as_secs_f64()),
            end_s: segment.and_then(|segment| segment.end()).map(|end| end.as_secs_f64()),
            label: &annotation.label,
            speaker: annotation.speaker.as_deref(),
            word: annotation.word.as_deref(),
            session: annotation.session.as_deref(),
            parent: selected.parent,
            corpus: annotation.corpus.as_deref(),
            sample_rate: entry.row.source.sample_rate,
            duration_s: entry.row.source.duration_s(),
            frames: entry.row.frames,
            shard: self.selection.shard_names.get(entry.shard as usize).map_or("", String::as_str),
            row: entry.position,
        }
    }
}

impl<'a> Splits<'a> {
    /// Prepares to split the utterances of `selection`.
    ///
    /// # Errors
    /// When the corpus cannot be split at all.
    pub(super) fn new(
        selection: &'a Selection<'a>,
        options: &'a PrepareOptions,
        measured: &'a Measured<'a>,
    ) -> Result<Self> {
        let planner = SplitPlanner::new(Subjects(selection), options.fractions, options.seed)?
            .with_folds(options.folds);
        Ok(Self { planner, selection, options, measured })
    }

    /// The manifests of every protocol, each made when it is asked for. `leave_out` is told why others cannot be.
    pub(super) fn manifests(
        &self,
        leave_out: impl FnMut(String),
    ) -> impl Iterator<Item = SplitManifest<Line<'a>>> {
        self.planner.splits(leave_out).map(|split| self.manifest_of(&split))
    }

    /// The same, noted in `report` as they are made.
    pub(super) fn manifests_noted_in(
        &self,
        report: &mut PrepareReport,
    ) -> impl Iterator<Item = SplitManifest<Line<'a>>> {
        let PrepareReport { left_out, splits, audits, validation, .. } = report;
        self.manifests(|why| left_out.push(why)).inspect(|SplitManifest { info, .. }| {
            splits.insert(info.protocol.clone(), info.counts.clone());
            audits.insert(info.protocol.clone(), info.audit.clone());
            validation.extend(info.validation.map(|by| (info.protocol.clone(), by)));
        })
    }

    fn manifest_of(&self, split: &Split) -> SplitManifest<Line<'a>> {
        let line = |&index: &usize| Line { selection: self.selection, index };
        let sides = Side::ALL.map(|part| split.side(part).iter().map(line).collect::<Vec<_>>());
        let labels = labels_of(sides.iter().flatten());
        let mut counts_by_label: BTreeMap<String, BTreeMap<Side, usize>> =
            labels.iter().map(|label| (label.clone(), Side::ALL.map(|part| (part, 0)).into())).collect();
        for (part, lines) in Side::ALL.into_iter().zip(&sides) {
            for line in lines {
                let counts = counts_by_label.get_mut(line.label());
                if let Some(count) = counts.and_then(|counts| counts.get_mut(&part)) {
                    *count += 1;
                }
            }
        }
        let audit = audit_split(sides.each_ref().map(Vec::as_slice), &labels, self.measured);
        let info = SplitInfo {
            protocol: split.protocol.to_string(),
            seed: self.options.seed,
            feature_set: self.selection.tensors.set.id.clone(),
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

/// Every class, sorted: its place is its index.
fn labels_of<'a>(lines: impl Iterator<Item = &'a Line<'a>>) -> Vec<String> {
    let labels: BTreeSet<&str> = lines.map(|line| line.label()).collect();
    labels.into_iter().map(str::to_owned).collect()
}
