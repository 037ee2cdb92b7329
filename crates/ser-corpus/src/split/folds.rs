//! Folds of speakers: each is test once, and no speaker of it is heard in training or validation.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ser_core::random::Random;

use crate::{Protocol, Split, SplitPlanner};

/// The fold of each speaker, from 1.
type Folds<'a> = BTreeMap<&'a str, u32>;

impl<'a> SplitPlanner<'a> {
    /// Assigns the speakers to `folds` folds of similar size: those with most utterances first, each to the fold that
    /// has the fewest. The seed decides between equals.
    pub(super) fn deal_speakers(&self, speakers: &BTreeSet<&'a str>, folds: u32) -> Folds<'a> {
        let mut utterances: BTreeMap<&str, usize> = speakers.iter().map(|speaker| (*speaker, 0)).collect();
        for subject in self.utterances.iter().filter(|subject| subject.parent.is_none()) {
            if let Some(count) = subject.speaker.and_then(|speaker| utterances.get_mut(speaker)) {
                *count += 1;
            }
        }
        let mut order: Vec<(&str, usize)> = speakers
            .iter()
            .map(|speaker| (*speaker, utterances.get(speaker).copied().unwrap_or(0)))
            .collect();
        Random::new(&["split", &self.seed.to_string(), "speaker-folds"]).shuffle(&mut order);
        order.sort_by_key(|(_, count)| Reverse(*count));
        let mut loads: Vec<(usize, usize, u32)> = (1..=folds).map(|fold| (0, 0, fold)).collect();
        let mut fold_of = Folds::new();
        for (speaker, count) in order {
            let Some((load, voices, fold)) = loads.iter_mut().min() else { break };
            *load += count;
            *voices += 1;
            fold_of.insert(speaker, *fold);
        }
        fold_of
    }

    /// Test is `fold`, validation the next one, training the others.
    pub(super) fn by_fold(&self, fold: u32, of: u32, folds: Option<&Folds<'_>>) -> Result<Split, String> {
        let fold_of =
            |index: usize| folds.and_then(|folds| folds.get(self.utterances[index].speaker?)).copied();
        let next = fold % of + 1;
        let (test, rest) = self.partition(|i| fold_of(i) == Some(fold));
        let (val, train) = rest.into_iter().partition(|&i| fold_of(i) == Some(next));
        self.with_every_class(Split::new(Protocol::SpeakerFold { fold, of }, train, val, test))
    }
}
