//! What published corpora hold, so that missing files of a copy can be reported.
//!
//! A corpus is recognised by the names of its files. Checksums of the files are not published with the corpora, so a
//! recording is identified by its name alone; whether its sound is the original one is unknown.

mod others;
mod tess;

use std::collections::{BTreeMap, BTreeSet};

use crate::doctor::{FindingItem, FindingKind};

/// A corpus must account for this share of the names, in percent, to be recognised.
const RECOGNISED_PERCENT: usize = 80;

/// What a published corpus holds.
pub(super) struct Expectation {
    pub(super) name: &'static str,
    pub(super) recordings: usize,
    /// Who says what, in a few words.
    pub(super) contents: &'static str,
    /// The recording that the file at a path (relative to the corpus) is, by its name.
    recognise: fn(&str) -> Option<Slot>,
    /// Every recording, where the names follow from a rule.
    all: Option<fn() -> Vec<Slot>>,
    /// What is known to be odd about it: the name of a recording and what is to be found about it.
    pub(super) known: &'static [(&'static str, FindingKind)],
}

/// The corpora that are known.
static EXPECTATIONS: [Expectation; 5] =
    [tess::TESS, others::RAVDESS, others::CREMA_D, others::EMO_DB, others::SAVEE];

/// The place of a recording in its corpus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) speaker: String,
    pub(super) class: &'static str,
    /// What tells it from all others, such as `OAF back angry`.
    pub(super) name: String,
}

/// A corpus that was recognised.
pub(super) struct Recognition {
    pub(super) expectation: &'static Expectation,
    /// For each path that was given, its place if it has one.
    pub(super) slots: Vec<Option<Slot>>,
    /// How many different places are filled.
    pub(super) present: usize,
}

/// Recognises the corpus that nearly all `paths` have names of.
pub(super) fn recognise(paths: &[&str]) -> Option<Recognition> {
    let slots_of = |expectation: &'static Expectation| {
        let slots: Vec<Option<Slot>> = paths.iter().map(|path| (expectation.recognise)(path)).collect();
        (slots.iter().flatten().count(), expectation, slots)
    };
    let (recognised, expectation, slots) =
        EXPECTATIONS.iter().map(slots_of).max_by_key(|(count, ..)| *count)?;
    if recognised == 0 || recognised * 100 < paths.len() * RECOGNISED_PERCENT {
        return None;
    }
    let present = slots.iter().flatten().map(|slot| &slot.name).collect::<BTreeSet<_>>().len();
    Some(Recognition { expectation, slots, present })
}

impl Recognition {
    /// How many recordings are not there.
    pub(super) fn missing(&self) -> usize {
        self.expectation.recordings.saturating_sub(self.present)
    }

    /// What is not there: each recording, or all that a speaker says of a class where all of it is missing.
    pub(super) fn missing_items(&self) -> Vec<FindingItem> {
        let Some(all) = self.expectation.all else {
            let text = format!("{} of {} recordings", self.missing(), self.expectation.recordings);
            return if self.missing() == 0 { Vec::new() } else { vec![FindingItem::new("", text)] };
        };
        let present: BTreeSet<&str> = self.slots.iter().flatten().map(|slot| slot.name.as_str()).collect();
        let mut blocks: BTreeMap<(String, &str), (usize, Vec<String>)> = BTreeMap::new();
        for slot in all() {
            let (expected, missing) = blocks.entry((slot.speaker, slot.class)).or_default();
            *expected += 1;
            if !present.contains(slot.name.as_str()) {
                missing.push(slot.name);
            }
        }
        let mut items = Vec::new();
        for ((speaker, class), (expected, missing)) in blocks {
            if missing.len() == expected && expected > 1 {
                items.push(FindingItem::new(
                    format!("{speaker} {class}"),
                    format!("all {expected} recordings"),
                ));
            } else {
                items.extend(missing.into_iter().map(|name| FindingItem::new(name, "")));
            }
        }
        items
    }

    /// Whether this is known about the recording at `index`.
    pub(super) fn is_known(&self, index: usize, kind: FindingKind) -> bool {
        let slot = self.slots.get(index).and_then(Option::as_ref);
        slot.is_some_and(|slot| self.expectation.known.contains(&(slot.name.as_str(), kind)))
    }
}

/// The name of the file at `path`, without its extension, and the folder it lies in.
fn stem_and_folder(path: &str) -> (&str, &str) {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = folders.rsplit_once('/').map_or(folders, |(_, last)| last);
    (name.rsplit_once('.').map_or(name, |(stem, _)| stem), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_gives_as_many_recordings_as_the_corpus_has() {
        for expectation in &EXPECTATIONS {
            let Some(all) = expectation.all else { continue };
            let all = all();
            assert_eq!(all.len(), expectation.recordings, "{}", expectation.name);
            let names: BTreeSet<&str> = all.iter().map(|slot| slot.name.as_str()).collect();
            assert_eq!(names.len(), all.len(), "{}", expectation.name);
            for (name, _) in expectation.known {
                assert!(names.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn each_corpus_is_recognised_by_its_names_and_plain_names_are_not() {
        let name = |paths: &[&str]| recognise(paths).map(|found| found.expectation.name);
        assert_eq!(name(&["OAF_Fear/OAF_back_fear.wav", "YAF_sad/YAF_youth_sad.wav"]), Some("TESS"));
        assert_eq!(name(&["Actor_12/03-01-06-02-02-01-12.wav"]), Some("RAVDESS (speech)"));
        assert_eq!(name(&["AudioWAV/1091_WSI_SAD_XX.wav"]), Some("CREMA-D"));
        assert_eq!(name(&["wav/16b10Wb.wav"]), Some("EMO-DB"));
        assert_eq!(name(&["JE/su15.wav"]), Some("SAVEE"));
        assert_eq!(name(&["ALL/KL_sa01.wav"]), Some("SAVEE"));
        assert_eq!(name(&["angry/001.wav", "sad/002.wav"]), None);
        assert_eq!(name(&["OAF_sad/OAF_youth_sad.wav", "x/1.wav", "x/2.wav"]), None);
        assert_eq!(name(&["OAF_angry/OAF_zebra_angry.wav"]), None);
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn what_is_missing_is_named_one_by_one_or_as_a_whole() {
        let paths: Vec<String> = (tess::TESS.all.unwrap())()
            .iter()
            .filter(|slot| slot.name != "OAF back angry" && !(slot.speaker == "YAF" && slot.class == "sad"))
            .map(|slot| format!("{0}_{1}/{2}.wav", slot.speaker, slot.class, slot.name.replace(' ', "_")))
            .collect();
        let found = recognise(&paths.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(found.missing(), 201);
        let items =
            [FindingItem::new("OAF back angry", ""), FindingItem::new("YAF sad", "all 200 recordings")];
        assert_eq!(found.missing_items(), items);
    }
}
