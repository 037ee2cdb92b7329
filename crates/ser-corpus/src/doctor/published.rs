//! Which published corpus the files are a copy of, and what is missing of it.
//!
//! A corpus is recognised by the names of its files, as its [convention](crate::conventions::CorpusConvention) knows them.

use std::collections::{BTreeMap, BTreeSet};

use crate::conventions::{CONVENTIONS, PublishedCorpus, PublishedRecording};
use crate::doctor::{FindingItem, FindingKind};

/// A corpus must account for this share of the names, in percent, to be recognised.
const RECOGNISED_PERCENT: usize = 80;

/// A corpus that was recognised.
pub(super) struct Recognition {
    pub(super) corpus: &'static PublishedCorpus,
    /// For each path that was given, which recording of the corpus it is, if it is one.
    pub(super) recordings: Vec<Option<PublishedRecording>>,
    /// How many different recordings are there.
    pub(super) present: usize,
    /// How many speakers have a recording there.
    pub(super) speakers: usize,
}

/// Recognises the corpus that nearly all `paths` have names of.
pub(super) fn recognise(paths: &[&str]) -> Option<Recognition> {
    let identified_by = |corpus: &'static PublishedCorpus| {
        let recordings: Vec<_> = paths.iter().map(|path| (corpus.identify)(path)).collect();
        (recordings.iter().flatten().count(), corpus, recordings)
    };
    let published = CONVENTIONS.iter().filter_map(|convention| convention.published());
    let (recognised, corpus, recordings) = published.map(identified_by).max_by_key(|(count, ..)| *count)?;
    if recognised == 0 || recognised * 100 < paths.len() * RECOGNISED_PERCENT {
        return None;
    }
    let present = recordings.iter().flatten().map(|recording| &recording.name).collect::<BTreeSet<_>>().len();
    let speakers =
        recordings.iter().flatten().map(|recording| &recording.speaker).collect::<BTreeSet<_>>().len();
    Some(Recognition { corpus, recordings, present, speakers })
}

impl Recognition {
    /// How many recordings are not there.
    pub(super) fn missing(&self) -> usize {
        self.corpus.recordings.saturating_sub(self.present)
    }

    /// What is not there: each recording, or all that a speaker says of a class where all of it is missing.
    pub(super) fn missing_items(&self) -> Vec<FindingItem> {
        let Some(all) = self.corpus.all else {
            let text = format!("{} of {} recordings", self.missing(), self.corpus.recordings);
            return if self.missing() == 0 { Vec::new() } else { vec![FindingItem::new("", text)] };
        };
        let present: BTreeSet<&str> =
            self.recordings.iter().flatten().map(|recording| recording.name.as_str()).collect();
        let mut blocks: BTreeMap<(String, &str), (usize, Vec<String>)> = BTreeMap::new();
        for PublishedRecording { speaker, class, name } in all() {
            let (expected, missing) = blocks.entry((speaker, class)).or_default();
            *expected += 1;
            if !present.contains(name.as_str()) {
                missing.push(name);
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
        let recording = self.recordings.get(index).and_then(Option::as_ref);
        recording.is_some_and(|recording| self.corpus.known.contains(&(recording.name.as_str(), kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_corpus_is_recognised_by_its_names_and_plain_names_are_not() {
        let name = |paths: &[&str]| recognise(paths).map(|found| found.corpus.name);
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
        let tess = crate::conventions::named("tess").unwrap().published().unwrap();
        let paths: Vec<String> = (tess.all.unwrap())()
            .into_iter()
            .filter(|it| it.name != "OAF back angry" && !(it.speaker == "YAF" && it.class == "sad"))
            .map(|it| format!("{0}_{1}/{2}.wav", it.speaker, it.class, it.name.replace(' ', "_")))
            .collect();
        let found = recognise(&paths.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(found.missing(), 201);
        let items =
            [FindingItem::new("OAF back angry", ""), FindingItem::new("YAF sad", "all 200 recordings")];
        assert_eq!(found.missing_items(), items);
    }
}
