//! The splits of the selected utterances, as manifests.

use std::collections::BTreeMap;

use super::options::PrepareOptions;
use super::report::PrepareReport;
use super::select::Selected;
use crate::Result;
use crate::cache::manifest::{Audit, SplitInfo, SplitManifest, Utterance};
use crate::cache::{FeatureSet, manifest_shard};
use crate::corpus::{Annotation, Part, Split, plan_splits};

/// Deals `selected` to the sides of every protocol the corpus allows.
///
/// # Errors
/// When the corpus cannot be split at all.
pub(super) fn plan(
    selected: &[Selected<'_>],
    set: &FeatureSet,
    options: &PrepareOptions,
    report: &mut PrepareReport,
) -> Result<Vec<SplitManifest>> {
    let annotated: Vec<(&str, &Annotation)> =
        selected.iter().map(|selected| (selected.path, selected.annotation)).collect();
    let plan =
        plan_splits(&annotated, options.fractions, options.seed).map_err(|error| error.at(&options.data))?;
    let utterances: Vec<Utterance> = selected.iter().map(|selected| utterance(selected, set)).collect();
    let labels = labels_of(&utterances);
    report.left_out = plan.left_out;
    let manifests: Vec<SplitManifest> =
        plan.splits.iter().map(|split| manifest_of(split, &utterances, &labels, set, options)).collect();
    report.splits =
        manifests.iter().map(|split| (split.info.protocol.clone(), split.info.counts.clone())).collect();
    Ok(manifests)
}

fn utterance(selected: &Selected<'_>, set: &FeatureSet) -> Utterance {
    let entry = selected.entry;
    Utterance {
        key: entry.row.key,
        path: selected.path.to_owned(),
        label: selected.annotation.label.clone(),
        speaker: selected.annotation.speaker.clone(),
        word: selected.annotation.word.clone(),
        sample_rate: entry.row.source.sample_rate,
        duration_s: entry.row.source.duration_s(),
        frames: entry.row.frames,
        shard: set.shards.get(entry.shard as usize).map(manifest_shard).unwrap_or_default(),
        row: entry.position,
    }
}

/// Every class, sorted: its place is its index.
fn labels_of(utterances: &[Utterance]) -> Vec<String> {
    let mut labels: Vec<String> = utterances.iter().map(|utterance| utterance.label.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn manifest_of(
    split: &Split,
    utterances: &[Utterance],
    labels: &[String],
    set: &FeatureSet,
    options: &PrepareOptions,
) -> SplitManifest {
    let side = |part: Part| -> Vec<&Utterance> { split.part(part).iter().map(|&i| &utterances[i]).collect() };
    let mut counts_by_label: BTreeMap<String, BTreeMap<Part, usize>> =
        labels.iter().map(|label| (label.clone(), Part::ALL.map(|part| (part, 0)).into())).collect();
    for part in Part::ALL {
        for utterance in side(part) {
            *counts_by_label.entry(utterance.label.clone()).or_default().entry(part).or_default() += 1;
        }
    }
    let rest = [side(Part::Train), side(Part::Val)].concat();
    let info = SplitInfo {
        protocol: split.protocol.to_string(),
        seed: options.seed,
        feature_set: set.id.clone(),
        labels: labels.to_vec(),
        fractions: options.fractions,
        counts: Part::ALL.map(|part| (part, split.part(part).len())).into(),
        counts_by_label,
        audit: Audit::of(&rest, &side(Part::Test)),
        manifests: BTreeMap::new(),
    };
    let parts = Part::ALL.map(|part| (part, side(part).into_iter().cloned().collect())).into();
    SplitManifest { info, parts }
}
