//! Findings as they are collected, kind by kind.

use std::collections::BTreeMap;

use ser_core::text::thousands;

use crate::doctor::published::Recognition;
use crate::doctor::recording::{Examined, Sound};
use crate::doctor::{CorpusFinding, FindingItem, FindingKind};

/// Findings are broken down by class from this number on.
const BY_CLASS_FROM: usize = 5;

/// Collects findings about a corpus.
pub(super) struct FindingCollector<'a> {
    /// All recordings. Findings are about them by their place in here.
    pub(super) examined: &'a [Examined],
    /// The published corpus that they are of, if that was recognised.
    pub(super) recognition: Option<&'a Recognition>,
    items: BTreeMap<FindingKind, Vec<FindingItem>>,
    summaries: BTreeMap<FindingKind, String>,
    /// Of kinds with items that are about several recordings each: how many recordings that is.
    counts: BTreeMap<FindingKind, usize>,
}

impl<'a> FindingCollector<'a> {
    /// Nothing found yet about these recordings.
    pub(super) fn new(examined: &'a [Examined], recognition: Option<&'a Recognition>) -> Self {
        let (items, summaries, counts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { examined, recognition, items, summaries, counts }
    }

    /// Adds an instance of a finding.
    pub(super) fn add(&mut self, kind: FindingKind, item: FindingItem) {
        self.items.entry(kind).or_default().push(item);
    }

    /// Adds an instance about the corpus as a whole.
    pub(super) fn add_about_all(&mut self, kind: FindingKind, text: impl Into<String>) {
        self.add(kind, FindingItem::new("", text));
    }

    /// Adds an instance about the recording at `index`.
    pub(super) fn add_about(&mut self, index: usize, kind: FindingKind, text: impl Into<String>) {
        let Some(examined) = self.examined.get(index) else { return };
        let known = self.recognition.is_some_and(|recognition| recognition.is_known(index, kind));
        self.add(kind, FindingItem { known, ..FindingItem::new(&examined.path, text) });
    }

    /// Says what the instances of `kind` have in common.
    pub(super) fn summarise(&mut self, kind: FindingKind, summary: String) {
        self.summaries.insert(kind, summary);
    }

    /// Says how many recordings the instances of `kind` are about, where that is not the number of instances.
    pub(super) fn set_count(&mut self, kind: FindingKind, count: usize) {
        self.counts.insert(kind, count);
    }

    /// Whether there is an instance of `kind`.
    pub(super) fn has(&self, kind: FindingKind) -> bool {
        self.items.contains_key(&kind)
    }

    /// The recordings that have a sound, with their numbers.
    pub(super) fn sounds(&self) -> impl Iterator<Item = (usize, &'a Examined, &'a Sound)> + use<'a> {
        let with_sound =
            |(index, examined): (usize, &'a Examined)| Some((index, examined, examined.sound.as_ref().ok()?));
        self.examined.iter().enumerate().filter_map(with_sound)
    }

    /// All that was found, the most important first.
    pub(super) fn into_findings(mut self) -> Vec<CorpusFinding> {
        let labels: BTreeMap<&str, &str> = self
            .examined
            .iter()
            .filter_map(|examined| Some((examined.path.as_str(), &*examined.annotation.as_ref().ok()?.label)))
            .collect();
        let finding = |(kind, mut items): (FindingKind, Vec<FindingItem>)| {
            items.sort();
            let by_class = || by_class(kind, &items, &labels);
            CorpusFinding {
                kind,
                severity: kind.severity(),
                title: kind.title(),
                advice: kind.advice(),
                summary: self.summaries.remove(&kind).or_else(by_class),
                count: match (kind, self.recognition) {
                    (FindingKind::Missing, Some(recognition)) => recognition.missing(),
                    _ => self.counts.get(&kind).copied().unwrap_or(items.len()),
                },
                items,
            }
        };
        std::mem::take(&mut self.items).into_iter().map(finding).collect()
    }
}

/// How many of each class, where it matters whether a class has more than its share.
fn by_class(kind: FindingKind, items: &[FindingItem], labels: &BTreeMap<&str, &str>) -> Option<String> {
    let tells_a_class = matches!(
        kind,
        FindingKind::Clipped
            | FindingKind::NearlySilent
            | FindingKind::MostlySilence
            | FindingKind::DcOffset
            | FindingKind::OtherRate
            | FindingKind::OtherChannels
            | FindingKind::UnusualLength
    );
    if !tells_a_class || items.len() < BY_CLASS_FROM {
        return None;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(labels.get(item.path.as_str())?).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(label, count)| format!("{label} {}", thousands(*count as u64))).collect();
    Some(format!("By class: {}.", counts.join(", ")))
}
