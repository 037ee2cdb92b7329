//! Across corpora: test on one, learn from the others, over the classes that both have.

use std::collections::{BTreeMap, BTreeSet};

use ser_core::random::Random;

use crate::split::draw::apportion;
use crate::{Protocol, Split, SplitPlanner, Unassigned};

/// With fewer speakers to learn from, validation cannot have its own: too much would be kept from training.
const FEWEST_SPEAKERS: usize = 5;

impl SplitPlanner<'_> {
    /// Everything of `corpus` is test. Validation has speakers of its own where the others have enough of them,
    /// otherwise words of its own, and where neither is known it is drawn from each class.
    pub(super) fn by_corpus(&self, corpus: &str) -> Result<Split, String> {
        let (test, rest) = self.partition(|i| self.utterances[i].corpus == Some(corpus));
        let labels =
            |part: &[usize]| -> BTreeSet<&str> { part.iter().map(|&i| self.utterances[i].label).collect() };
        let (asked, learnt) = (labels(&test), labels(&rest));
        let shared: BTreeSet<&str> = asked.intersection(&learnt).copied().collect();
        if shared.len() < 2 {
            let names = |labels: BTreeSet<&str>| labels.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "it has {}, the others have {}: they share {} classes (--map gives them common names)",
                names(asked),
                names(learnt),
                shared.len()
            ));
        }
        let all = test.len() + rest.len();
        let of_shared = |part: Vec<usize>| -> Vec<usize> {
            part.into_iter().filter(|&i| shared.contains(self.utterances[i].label)).collect()
        };
        let (test, rest) = (of_shared(test), of_shared(rest));
        let other_labels = all - test.len() - rest.len();
        let (train, val) = match self.draw_speakers(&rest) {
            Some(speakers) => {
                let (val, train) = rest
                    .into_iter()
                    .partition(|&i| self.utterances[i].speaker.is_some_and(|id| speakers.contains(id)));
                (train, val)
            }
            None => self.hold_out_words(rest, "corpus-val")?,
        };
        let split = Split::new(Protocol::Corpus(corpus.to_owned()), train, val, test);
        self.with_every_class(Split { left_out: Unassigned { other_labels, copies: 0 }, ..split })
    }

    /// Speakers for validation, the same share of every corpus; nothing where there are too few, or where not every
    /// utterance says who speaks.
    fn draw_speakers(&self, from: &[usize]) -> Option<BTreeSet<&str>> {
        let mut speakers: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
        for &index in from {
            let subject = &self.utterances[index];
            speakers.entry(subject.corpus).or_default().insert(subject.speaker?);
        }
        let sizes: Vec<usize> = speakers.values().map(BTreeSet::len).collect();
        let count: usize = sizes.iter().sum();
        if count < FEWEST_SPEAKERS {
            return None;
        }
        let wanted = ((count as f64 * self.fractions.val).round() as usize).clamp(1, count - 1);
        let mut drawn = BTreeSet::new();
        for ((corpus, speakers), quota) in speakers.into_iter().zip(apportion(&sizes, wanted)) {
            let mut order: Vec<&str> = speakers.into_iter().collect();
            let seed = self.seed.to_string();
            Random::new(&["split", &seed, "corpus-val", corpus.unwrap_or("")]).shuffle(&mut order);
            drawn.extend(order.into_iter().take(quota));
        }
        Some(drawn)
    }
}
