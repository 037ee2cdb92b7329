//! What a checkpoint predicted of the recordings of another corpus, and which of them count.

use std::collections::BTreeSet;

use ser_cache::Utterance;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_eval::metrics::most_probable;
use ser_model::LearntFrom;
use ser_model::calibration::Temperature;

use crate::assess::Answered;
use crate::evaluate::Predictions;
use crate::unseen::listed::listed;

/// What a checkpoint predicted of a recording.
pub(super) struct Recording {
    pub(super) path: String,
    /// Index among the labels that both have.
    pub(super) truth: usize,
    /// Logits of those labels.
    pub(super) logits: Vec<f32>,
    /// From the training side.
    pub(super) distance: Option<f64>,
}

/// What it predicted of all recordings.
pub(super) struct CorpusPredictions {
    /// The labels that both have, in the order of the checkpoint.
    pub(super) labels: Vec<String>,
    /// Those that only the corpus has, and those that only the checkpoint has.
    pub(super) only_corpus: Vec<String>,
    pub(super) only_checkpoint: Vec<String>,
    pub(super) recordings: Vec<Recording>,
    pub(super) speakers: BTreeSet<String>,
    /// Recordings that do not name their speaker.
    pub(super) n_unnamed: u64,
    /// Recordings left out because the checkpoint has heard the very sound.
    pub(super) n_heard: u64,
    /// Recordings left out because it does not know their label.
    pub(super) n_other_labels: u64,
}

impl CorpusPredictions {
    /// Nothing yet of a corpus with the classes `there`, by a checkpoint of the classes `known`.
    pub(super) fn new(known: &[String], there: &[String]) -> Self {
        let (labels, only_checkpoint): (Vec<String>, Vec<String>) =
            known.iter().cloned().partition(|label| there.contains(label));
        Self {
            only_corpus: there.iter().filter(|label| !labels.contains(label)).cloned().collect(),
            only_checkpoint,
            labels,
            recordings: Vec::new(),
            speakers: BTreeSet::new(),
            n_unnamed: 0,
            n_heard: 0,
            n_other_labels: 0,
        }
    }

    /// Counts a recording, with its logits of the labels that both have.
    pub(super) fn add(
        &mut self,
        utterance: &Utterance,
        logits: Vec<f32>,
        distance: Option<f64>,
        heard: bool,
    ) {
        let Some(truth) = self.labels.iter().position(|label| *label == utterance.label) else {
            self.n_other_labels += 1;
            return;
        };
        if heard {
            self.n_heard += 1;
            return;
        }
        match &utterance.speaker {
            Some(speaker) => _ = self.speakers.insert(speaker.clone()),
            None => self.n_unnamed += 1,
        }
        self.recordings.push(Recording { path: utterance.path.clone(), truth, logits, distance });
    }

    /// What counts, with the labels that both have for classes.
    pub(super) fn answered(&self) -> Answered {
        let rows = || self.recordings.iter().map(|recording| recording.logits.as_slice());
        let probabilities: Vec<Vec<f32>> = rows()
            .map(|logits| Temperature::ONE.probabilities(logits))
            .map(|exact| exact.iter().map(|probability| *probability as f32).collect())
            .collect();
        let said = Predictions {
            logits: rows().flatten().copied().collect(),
            predicted: probabilities.iter().map(|row| most_probable(row)).collect(),
            probabilities: probabilities.concat(),
            truth: self.recordings.iter().map(|recording| recording.truth).collect(),
            classes: self.labels.len(),
        };
        Answered { said, distances: self.recordings.iter().map(|recording| recording.distance).collect() }
    }

    /// # Errors
    /// When there is nothing to evaluate; the corpus is not named, which is a name that only the caller knows.
    pub(super) fn check(&self) -> Result<()> {
        if self.labels.len() < 2 {
            let what = format!(
                "has the labels {}, the checkpoint knows {}: fewer than two are in both",
                listed(self.only_corpus.iter().chain(&self.labels)),
                listed(self.only_checkpoint.iter().chain(&self.labels))
            );
            let help = remedy!["give the same names to the same classes with ", Setting::Map];
            return Err(Error::new(ErrorKind::Mismatch, what).help(help));
        }
        if self.recordings.is_empty() {
            let what = match self.n_heard {
                0 => "has no recording with a label that the checkpoint knows".to_owned(),
                n => {
                    format!("has nothing but {n} recordings that the checkpoint was trained or validated on")
                }
            };
            return Err(Error::new(ErrorKind::Unusable, what).help("give another corpus"));
        }
        Ok(())
    }

    /// Speakers that have the name of one in training or validation. Where there were several corpora, names have their corpus
    /// in front, which one corpus alone has not.
    pub(super) fn shared_speakers(&self, learnt: &LearntFrom) -> Vec<&String> {
        let is_in_front = |corpus: &str| corpus.ends_with('-');
        let same = |a: &str, b: &str| {
            a == b || a.strip_suffix(b).is_some_and(is_in_front) || b.strip_suffix(a).is_some_and(is_in_front)
        };
        let heard = || learnt.training.speakers.iter().chain(&learnt.validation.speakers);
        self.speakers.iter().filter(|name| heard().any(|known| same(name, known))).collect()
    }

    pub(super) fn is_unseen(&self, learnt: &LearntFrom) -> bool {
        self.n_heard == 0 && self.n_unnamed == 0 && self.shared_speakers(learnt).is_empty()
    }
}
