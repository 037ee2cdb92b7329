//! What was evaluated of another corpus, in words.

use ser_core::text::thousands;
use ser_model::LearntFrom;

use crate::unseen::listed::listed;
use crate::unseen::predictions::CorpusPredictions;

impl CorpusPredictions {
    /// What was evaluated, what was left out, and whether it may be called unseen.
    pub(super) fn in_words(&self, learnt: &LearntFrom) -> String {
        let (n, labels) = (thousands(self.recordings.len() as u64), listed(&self.labels));
        let speakers = match self.speakers.len() {
            0 => "of speakers whom it does not name".to_owned(),
            1 => "of 1 speaker".to_owned(),
            count => format!("of {count} speakers"),
        };
        let mut words = vec![format!(
            "All {n} recordings {speakers} with a label that the checkpoint knows; the answer is the most probable of the \
             {} labels that both have ({labels}).",
            self.labels.len()
        )];
        words.extend(self.labels_left_out());
        match self.is_unseen(learnt) {
            true => words
                .push("Neither a sound nor a speaker's name of it was in training or validation.".to_owned()),
            false => words.extend(self.why_not_unseen(learnt)),
        }
        words.join(" ")
    }

    /// Labels that only one of the two has.
    fn labels_left_out(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.n_other_labels > 0 {
            words.push(format!(
                "{} recordings with other labels ({}) were left out.",
                thousands(self.n_other_labels),
                listed(&self.only_corpus)
            ));
        }
        if !self.only_checkpoint.is_empty() {
            words.push(format!(
                "The checkpoint also knows {}, which the corpus has not.",
                listed(&self.only_checkpoint)
            ));
        }
        words
    }

    /// Why it is not called an unseen corpus, a sentence each.
    fn why_not_unseen(&self, learnt: &LearntFrom) -> Vec<String> {
        let mut words = Vec::new();
        let shared = self.shared_speakers(learnt);
        if self.n_heard > 0 {
            words.push(format!(
                "This is not an unseen corpus: {} recordings of it were heard in training or validation and left out; those \
                 that remain may be by the same speakers.",
                thousands(self.n_heard)
            ));
        }
        if !shared.is_empty() {
            words.push(format!(
                "This is not called unseen: speakers of these names were in training or validation ({}), and may be the same \
                 people.",
                listed(shared)
            ));
        }
        if self.n_unnamed > 0 {
            words.push(format!(
                "This is not called unseen: {} recordings do not name their speaker, who may have been in training or \
                 validation.",
                thousands(self.n_unnamed)
            ));
        }
        words
    }
}
