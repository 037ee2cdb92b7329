//! How well a rule explains the folders of a corpus: each speaker is found with several labels and each label with several
//! speakers, labels are emotions, and speakers may be numbers.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use crate::conventions::layout::folders::Folders;
use crate::conventions::layout::rule::{Cut, Order, Rule};
use crate::lexicon::{is_corpus, is_emotion, is_group, is_qualifier, is_small_number, may_be_an_id};
use crate::nobody::nobody_among;

/// Recordings of each pair of speaker and label.
type Pairs<'a> = BTreeMap<(&'a str, &'a str), usize>;

/// How well a rule explains the folders; the larger, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merit {
    /// Share of the labels that are emotions, less that of the speakers, per mille.
    emotions: i64,
    /// Share of the speakers that may be numbers of people, less that of the labels, per mille.
    ids: i64,
    /// Share of all combinations of a speaker and a label that there are, per mille.
    filled: usize,
}

/// What a rule that explains nearly all folders finds in them.
pub(super) struct Fit {
    pub(super) speakers: BTreeSet<String>,
    pub(super) labels: BTreeSet<String>,
    /// How many recordings it explains.
    pub(super) fitting: usize,
    pub(super) merit: Merit,
}

impl Fit {
    /// That of `rule`; nothing where it does not explain nearly all.
    pub(super) fn of(rule: Rule, folders: &Folders<'_>) -> Option<Self> {
        let mut pairs = Pairs::new();
        for (folder, recordings) in folders.iter() {
            if let Some(pair) = rule.pair(folder) {
                *pairs.entry(pair).or_default() += recordings;
            }
        }
        let (speakers, labels) = crossed(&pairs).or_else(|| by_words(rule, &pairs))?;
        if !tell_people_from_classes(rule, &speakers, &labels) {
            return None;
        }
        let fitting = (pairs.iter())
            .filter(|((speaker, label), _)| fits(&speakers, &labels, speaker, label))
            .map(|(_, recordings)| recordings)
            .sum();
        let merit = Merit::of(&pairs, &speakers, &labels);
        if !merit.is_right_way_round(rule) || !folders.are_nearly_all(fitting) {
            return None;
        }
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
        Some(Self { speakers: owned(speakers), labels: owned(labels), fitting, merit })
    }
}

impl Merit {
    fn of(pairs: &Pairs<'_>, speakers: &BTreeSet<&str>, labels: &BTreeSet<&str>) -> Self {
        let share = |names: &BTreeSet<&str>, is: fn(&str) -> bool| {
            (names.iter().filter(|name| is(name)).count() * 1000 / names.len().max(1)) as i64
        };
        let are_kept =
            |(speaker, label): &&(&str, &str)| speakers.contains(speaker) && labels.contains(label);
        let combinations = (speakers.len() * labels.len()).max(1);
        Self {
            emotions: share(labels, is_emotion) - share(speakers, is_emotion),
            ids: share(speakers, may_be_an_id) - share(labels, may_be_an_id),
            filled: pairs.keys().filter(are_kept).count() * 1000 / combinations,
        }
    }

    /// Whether what `rule` takes for the speakers is theirs. Without a word or a number to go by, a speaker comes first in a
    /// name, and of two folders nothing is known.
    fn is_right_way_round(&self, rule: Rule) -> bool {
        let is_unknown = (self.emotions, self.ids) == (0, 0);
        match rule {
            Rule::Joined { order: Order::SpeakerFirst, .. } if is_unknown => true,
            _ => self.emotions > 0 || self.emotions == 0 && self.ids > 0,
        }
    }
}

/// Whether a speaker or a label is one of those known, and neither is in the other's place.
pub(super) fn fits<S: Borrow<str> + Ord>(
    speakers: &BTreeSet<S>,
    labels: &BTreeSet<S>,
    speaker: &str,
    label: &str,
) -> bool {
    let is_known = speakers.contains(speaker) || labels.contains(label);
    is_known && !speakers.contains(label) && !labels.contains(speaker)
}

/// The speakers that are found with two labels or more, and the labels that are found with two such speakers or more,
/// until that holds of both.
fn crossed<'a>(pairs: &Pairs<'a>) -> Option<(BTreeSet<&'a str>, BTreeSet<&'a str>)> {
    let mut labels_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut speakers_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (speaker, label) in pairs.keys() {
        labels_of.entry(speaker).or_default().insert(label);
        speakers_of.entry(label).or_default().insert(speaker);
    }
    loop {
        let before = labels_of.len() + speakers_of.len();
        keep_crossed(&mut labels_of, &mut speakers_of);
        keep_crossed(&mut speakers_of, &mut labels_of);
        if labels_of.len() + speakers_of.len() == before {
            break;
        }
    }
    (labels_of.len() > 1).then(|| (labels_of.into_keys().collect(), speakers_of.into_keys().collect()))
}

/// Takes those out of `these` that are found with one of `others` alone, there as well.
fn keep_crossed<'a>(
    these: &mut BTreeMap<&'a str, BTreeSet<&'a str>>,
    others: &mut BTreeMap<&'a str, BTreeSet<&'a str>>,
) {
    these.retain(|name, found_with| {
        let stays = found_with.len() > 1;
        if !stays {
            for other in found_with.iter() {
                others.get_mut(other).map(|names| names.remove(name));
            }
        }
        stays
    });
}

/// Where speakers and labels are not crossed, a name of two parts is still known by its emotion.
fn by_words<'a>(rule: Rule, pairs: &Pairs<'a>) -> Option<(BTreeSet<&'a str>, BTreeSet<&'a str>)> {
    if !matches!(rule, Rule::Joined { cut: Cut::Emotion, .. }) {
        return None;
    }
    let labels: BTreeSet<&str> = pairs.keys().map(|(_, label)| *label).collect();
    (labels.len() > 1).then(|| (pairs.keys().map(|(speaker, _)| *speaker).collect(), labels))
}

/// Whether the names can be speakers and labels at all: words such as `male` and `very` are neither, nor is an emotion a
/// speaker; `session1` is several people's, and a small number after a class may be a take or how strong it is. Of a name of
/// two parts, `noise` and `train` are no one's part either; where they are folders, who speaks is unknown.
fn tell_people_from_classes(rule: Rule, speakers: &BTreeSet<&str>, labels: &BTreeSet<&str>) -> bool {
    let are_mostly = |names: &BTreeSet<&str>, is: fn(&str) -> bool| {
        2 * names.iter().filter(|name| is(name)).count() >= names.len()
    };
    let label_first =
        matches!(rule, Rule::Nested(Order::LabelFirst) | Rule::Joined { order: Order::LabelFirst, .. });
    let are_nobody = are_mostly(speakers, is_qualifier)
        || are_mostly(speakers, is_group)
        || are_mostly(speakers, is_emotion)
        || matches!(rule, Rule::Joined { .. }) && nobody_among(speakers.iter().copied()).is_some()
        || label_first && are_mostly(speakers, is_small_number)
        || matches!(rule, Rule::Nested(_)) && speakers.iter().any(|name| is_corpus(name));
    !are_nobody && !are_mostly(labels, is_qualifier)
}
