//! What to do with recordings that are copies of others without being the same sound.

use std::collections::{HashMap, HashSet};

use ser_cache::TensorKey;
use ser_cache::audit::{Measured, NearDuplicatePairKeys};

use crate::prepare::selection::{Selected, Selection};
use crate::prepare::{NearDuplicatePair, PrepareReport};

/// What to do with near-duplicates.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum NearDuplicates {
    /// They are used and reported, and counted where they are on two sides of a split
    #[default]
    Report,
    /// Of each group of copies one is used, the one in the fewest folders, as with identical sounds
    KeepOne,
}

/// Notes the pairs in `report`, and removes all but one of each group if requested.
pub(super) fn resolve(
    utterances: &mut Selection<'_>,
    measured: &Measured<'_>,
    wanted: NearDuplicates,
    report: &mut PrepareReport,
) {
    // A copy is like its parent, and like what that is like.
    let copies: HashSet<TensorKey> = utterances
        .iter()
        .filter(|utterance| utterance.parent.is_some())
        .map(|copy| copy.entry.row.key)
        .collect();
    let of_copy =
        |pair: &NearDuplicatePairKeys| copies.contains(&pair.first) || copies.contains(&pair.second);
    let pairs: Vec<NearDuplicatePairKeys> =
        measured.near_duplicates().filter(|pair| !of_copy(pair)).collect();
    if pairs.is_empty() {
        return;
    }
    let in_pairs: HashSet<TensorKey> = pairs.iter().flat_map(|pair| [pair.first, pair.second]).collect();
    let of_pairs = utterances.iter().filter(|selected| in_pairs.contains(&selected.entry.row.key));
    let of_key: HashMap<TensorKey, Selected<'_>> =
        of_pairs.map(|selected| (selected.entry.row.key, selected)).collect();
    let rank = |key: &TensorKey| {
        of_key.get(key).map(|selected| (selected.path().matches('/').count(), selected.path()))
    };
    // Of each recording, one of its group that comes before it; the first of all has none.
    let mut before: HashMap<TensorKey, TensorKey> = HashMap::new();
    for NearDuplicatePairKeys { first, second, similarity } in pairs {
        let (kept, copy) = if rank(&first) <= rank(&second) { (first, second) } else { (second, first) };
        if let (Some(one), Some(other)) = (of_key.get(&kept), of_key.get(&copy)) {
            if one.annotation().label != other.annotation().label {
                report.doubt(other.path(), copy_under_another_label(one, other));
            }
            report.near_duplicates.push(NearDuplicatePair {
                path: other.path().to_owned(),
                of: one.path().to_owned(),
                similarity,
                labels_differ: one.annotation().label != other.annotation().label,
            });
        }
        let (a, b) = (root(&before, kept), root(&before, copy));
        match rank(&a).cmp(&rank(&b)) {
            std::cmp::Ordering::Less => drop(before.insert(b, a)),
            std::cmp::Ordering::Greater => drop(before.insert(a, b)),
            std::cmp::Ordering::Equal => {}
        }
    }
    if wanted == NearDuplicates::KeepOne {
        for copy in before.keys() {
            if let (Some(other), Some(one)) = (of_key.get(copy), of_key.get(&root(&before, *copy))) {
                report.duplicate(other.path(), one.path());
            }
        }
        utterances.retain(|selected| !before.contains_key(&selected.entry.row.key));
        // A copy goes with its parent.
        let left: HashSet<&str> = utterances.iter().map(|selected| selected.path()).collect();
        let is_left = |selected: &Selected<'_>| selected.parent.is_none_or(|path| left.contains(path));
        for selected in utterances.iter().filter(|selected| !is_left(selected) && !selected.is_copy()) {
            let parent = selected.parent.unwrap_or_default();
            report.note(selected.path(), format!("is left out with {parent}, of which it is a copy"));
        }
        utterances.retain(is_left);
    }
}

/// What is doubtful about a copy that is labelled otherwise than its original.
fn copy_under_another_label(kept: &Selected<'_>, copy: &Selected<'_>) -> String {
    format!(
        "is labelled {}, and is a copy of {}, which is labelled {}: one of the labels is wrong; correct it, or take one of the \
         recordings out",
        copy.annotation().label,
        kept.path(),
        kept.annotation().label
    )
}

fn root(before: &HashMap<TensorKey, TensorKey>, mut key: TensorKey) -> TensorKey {
    while let Some(earlier) = before.get(&key) {
        key = *earlier;
    }
    key
}
