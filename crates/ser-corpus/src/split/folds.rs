//! Folds of speakers: each is test once, and no speaker of it is heard in training or validation.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ser_core::random::Random;

use crate::split::SplitPlanner;
use crate::split::planner::FEWEST_VOICES;
use crate::split::validation::Draw;
use crate::{Protocol, Split};

/// The fold of each speaker, from 1.
pub(super) type Folds<'a> = BTreeMap<&'a str, u32>;

impl<'a> SplitPlanner<'a> {
    /// Assigns the speakers to `folds` folds of similar size: those with most utterances first, each to the fold that
    /// has the fewest. The seed decides between equals.
    pub(super) fn deal_speakers(&self, speakers: &BTreeSet<&'a str>, folds: u32) -> Folds<'a> {
        let mut utterances: BTreeMap<&str, usize> = speakers.iter().map(|speaker| (*speaker, 0)).collect();
        for utterance in self.all().filter(|utterance| utterance.parent.is_none()) {
            if let Some(count) = utterance.speaker.and_then(|speaker| utterances.get_mut(speaker)) {
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

    /// Test is `fold`; validation are two or more of the other speakers, so many that it comes nearest to its share of
    /// all utterances.
    pub(super) fn by_fold(&self, fold: u32, of: u32, folds: Option<&Folds<'_>>) -> Result<Split, String> {
        let fold_of =
            |index: usize| folds.and_then(|folds| folds.get(self.utterance(index).speaker?)).copied();
        let (test, rest) = self.partition(|i| fold_of(i) == Some(fold));
        let protocol = Protocol::SpeakerFold { fold, of };
        let share = self.fractions.val * self.originals() as f64 / rest.len().max(1) as f64;
        let draw = Draw { share, purpose: &format!("{protocol}-val") };
        let (train, val) = (self.draw_speakers(&rest, draw, FEWEST_VOICES))
            .ok_or("too few speakers remain for training and validation")?;
        self.with_every_class(Split::new(protocol, train, val, test))
    }
}
