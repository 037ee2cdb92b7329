//! How two caches differ, and why: which utterances were added, removed or changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ser_core::Result;
use ser_corpus::Protocol;
use serde::Serialize;

use crate::cache::UtteranceSides;
use crate::{
    Cache, CopySettings, EntriesByKey, FeatureSet, Sha, TensorEntry, Utterance, augmented_set_id, copies_of,
    key_of,
};

/// The differences between a feature set of one cache and one of another.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FeatureSetDifference {
    /// Whether there is none.
    pub equal: bool,
    /// The feature sets compared.
    pub feature_sets: [String; 2],
    /// Where the configurations differ; then every tensor does.
    pub configuration: Vec<FieldChange>,
    /// Whether the tensors were computed by different versions of the extractor; then every tensor may differ.
    pub extractor_differs: bool,
    /// Protocols that only one of them has.
    pub protocols: Vec<String>,
    /// Paths of utterances that only the second has.
    pub added: Vec<String>,
    /// Paths of utterances that only the first has.
    pub removed: Vec<String>,
    /// Utterances that both have, and how they differ.
    pub changed: Vec<ChangedUtterance>,
    /// How many utterances are the same in both.
    pub same: usize,
}

/// An utterance that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedUtterance {
    /// Its recording, relative to the corpus.
    pub path: String,
    /// In what it differs.
    pub why: Vec<FieldChange>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Which: `content`, `label`, `speaker`, `word`, `tensor`, `side in <protocol>`, or a field of the configuration.
    pub field: String,
    /// What it is in the first.
    pub a: String,
    /// What it is in the second.
    pub b: String,
}

/// A feature set as it is compared.
struct Compared<'a> {
    set: &'a FeatureSet,
    entries: EntriesByKey<'a>,
    protocols: Vec<Protocol>,
    copies: Option<CopySettings>,
    utterances: UtteranceSides,
    contents: HashMap<&'a str, &'a Sha>,
}

/// Compares the feature set `a.1` of the cache `a.0` with `b.1` of `b.0`, by the paths of their utterances.
///
/// # Errors
/// When the manifests of either cannot be read.
pub fn compare(a: (&Cache, &FeatureSet), b: (&Cache, &FeatureSet)) -> Result<FeatureSetDifference> {
    let (a, b) = (Compared::open(a.0, a.1)?, Compared::open(b.0, b.1)?);
    let is_current =
        |side: &Compared<'_>| augmented_set_id(&side.set.configuration, side.copies.as_ref()) == side.set.id;
    let configuration = configuration_changes(a.set, b.set);
    let same_copies = a.copies == b.copies;
    let mut difference = FeatureSetDifference {
        feature_sets: [a.set.id.clone(), b.set.id.clone()],
        extractor_differs: match configuration.is_empty() {
            true if same_copies => a.set.id != b.set.id,
            _ => is_current(&a) != is_current(&b),
        },
        configuration,
        ..FeatureSetDifference::default()
    };
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
        (a.protocols.iter().collect(), b.protocols.iter().collect());
    difference.protocols = ours.symmetric_difference(&theirs).map(ToString::to_string).collect();
    let shared: Vec<&Protocol> = ours.intersection(&theirs).copied().collect();
    let same_tensors = difference.configuration.is_empty() && !difference.extractor_differs;

    if !same_copies {
        let shown =
            |side: &Compared<'_>| Some(side.copies.as_ref().map_or("none".to_owned(), ToString::to_string));
        difference.configuration.extend(change("augmentation", shown(&a), shown(&b)));
    }
    difference.added =
        b.utterances.keys().filter(|path| !a.utterances.contains_key(*path)).cloned().collect();
    for (path, ours) in &a.utterances {
        let Some(theirs) = b.utterances.get(path) else {
            difference.removed.push(path.clone());
            continue;
        };
        let mut why = utterance_changes(&ours.0, &theirs.0);
        let content = content_change((&a, &ours.0), (&b, &theirs.0));
        if content.is_none() && same_tensors {
            let checksum =
                |side: &Compared<'_>, of: &Utterance| Some(side.entry(of)?.row.checksum.to_string());
            why.extend(change("tensor", checksum(&a, &ours.0), checksum(&b, &theirs.0)));
        }
        why.splice(0..0, content);
        for protocol in &shared {
            let side = |sides: &BTreeMap<Protocol, _>| sides.get(*protocol).map(ToString::to_string);
            why.extend(change(&format!("side in {protocol}"), side(&ours.1), side(&theirs.1)));
        }
        match why.is_empty() {
            true => difference.same += 1,
            false => difference.changed.push(ChangedUtterance { path: path.clone(), why }),
        }
    }
    difference.equal = same_tensors
        && same_copies
        && difference.protocols.is_empty()
        && difference.added.is_empty()
        && difference.removed.is_empty()
        && difference.changed.is_empty();
    Ok(difference)
}

impl<'a> Compared<'a> {
    fn open(cache: &'a Cache, set: &'a FeatureSet) -> Result<Self> {
        let protocols = cache.protocols(set)?;
        let utterances = cache.utterance_sides(set, &protocols)?;
        let contents = cache.index.files.iter().map(|file| (file.path.as_str(), &file.content)).collect();
        let copies = copies_of(&cache.root, set);
        Ok(Self { set, entries: set.by_key(), protocols, copies, utterances, contents })
    }

    fn entry(&self, utterance: &Utterance) -> Option<&TensorEntry> {
        self.entries.get(&utterance.key)
    }

    /// The SHA-256 of the recording that the tensor was computed from: the index knows the corpus as it was for its
    /// newest feature set only.
    fn content(&self, utterance: &Utterance) -> Option<&Sha> {
        let content = self.contents.get(utterance.path.as_str())?;
        (key_of(content, &self.set.configuration) == utterance.key).then_some(content)
    }
}

/// Whether two recordings are the same, by their bytes, or where those are no longer known, by their sound.
fn content_change(
    (a, ours): (&Compared<'_>, &Utterance),
    (b, theirs): (&Compared<'_>, &Utterance),
) -> Option<FieldChange> {
    match (a.content(ours), b.content(theirs)) {
        (Some(x), Some(y)) => change("content", Some(x.to_string()), Some(y.to_string())),
        _ if ours.key == theirs.key => None,
        _ => {
            let sound = |side: &Compared<'_>, of| Some(side.entry(of)?.row.source.sound.to_string());
            change("sound", sound(a, ours), sound(b, theirs))
        }
    }
}

fn utterance_changes(a: &Utterance, b: &Utterance) -> Vec<FieldChange> {
    let fields = [
        change("label", Some(a.label.clone()), Some(b.label.clone())),
        change("speaker", a.speaker.clone(), b.speaker.clone()),
        change("word", a.word.clone(), b.word.clone()),
        change("session", a.session.clone(), b.session.clone()),
        change("parent", a.parent.clone(), b.parent.clone()),
    ];
    fields.into_iter().flatten().collect()
}

fn configuration_changes(a: &FeatureSet, b: &FeatureSet) -> Vec<FieldChange> {
    let fields = |set: &FeatureSet| -> BTreeMap<String, serde_json::Value> {
        serde_json::from_str(&set.configuration).unwrap_or_default()
    };
    let (ours, theirs) = (fields(a), fields(b));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let text = |fields: &BTreeMap<String, serde_json::Value>, name| fields.get(name).map(ToString::to_string);
    names.into_iter().filter_map(|name| change(name, text(&ours, name), text(&theirs, name))).collect()
}

fn change(field: &str, a: Option<String>, b: Option<String>) -> Option<FieldChange> {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    (a != b).then(|| FieldChange { field: field.to_owned(), a: shown(a), b: shown(b) })
}
