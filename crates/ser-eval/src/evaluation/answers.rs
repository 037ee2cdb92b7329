//! What a checkpoint answered on its test side, kept beside what others answered.

use std::sync::Arc;

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::evaluation::{SplitSide, TrainingSettings};
use crate::metrics::{ClassMetrics, Metrics, Scores, SetCoverage};

/// The test side of a split, and who was heard in training.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSide {
    /// `random`, `word`, `speaker-<ID>` or whatever else the split is called.
    pub protocol: String,
    /// Identity of the split: its digest in hexadecimal.
    pub split: String,
    /// Classes, in index order.
    pub labels: Vec<String>,
    /// The utterances, in the order of the answers.
    pub utterances: Vec<TestUtterance>,
    /// The training side.
    pub train: SplitSide,
    /// The audit of the split in short: `shares 2 of 2 speakers; duration alone 0.43`. Empty if not audited.
    pub audit: String,
}

/// An utterance of a test side.
#[derive(Debug, Clone, PartialEq)]
pub struct TestUtterance {
    /// Its file, relative to the corpus.
    pub path: String,
    /// Index of its class.
    pub truth: usize,
    /// Who speaks, if known.
    pub speaker: Option<String>,
    /// Which word is spoken, if known.
    pub word: Option<String>,
    /// Length of the recording, seconds.
    pub duration_s: f64,
}

/// What one checkpoint answered.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The checkpoint or its run's folder, as it was named.
    pub name: String,
    /// Seed of its training.
    pub seed: u64,
    /// Its epoch, counted from 1.
    pub epoch: u32,
    /// Everything else that decided what it learnt.
    pub recipe: TrainingSettings,
    /// The test side.
    pub test: Arc<TestSide>,
    /// Index of the class it answered for each utterance.
    pub predicted: Vec<usize>,
    /// What its prediction sets did, where it is calibrated.
    pub sets: Option<SetCoverage>,
}

/// What one checkpoint scored on its whole test side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFigures {
    /// The checkpoint or its run's folder.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// Seed of its training.
    pub seed: u64,
    /// Its epoch, counted from 1.
    pub epoch: u32,
    /// Utterances of its test side.
    pub n_utterances: u64,
    /// Accuracy, UAR, macro-F1.
    #[serde(flatten)]
    pub scores: Scores,
    /// Recall of each class in index order; none where there is no test utterance.
    pub recall: Vec<Option<f64>>,
    /// What its prediction sets did: of coverage 0.9 unless asked otherwise. None where it is not calibrated.
    pub sets: Option<SetCoverage>,
}

impl TestSide {
    /// Index of the class of each utterance.
    pub(crate) fn truth(&self) -> Vec<usize> {
        self.utterances.iter().map(|utterance| utterance.truth).collect()
    }

    /// Speakers and words of the utterances.
    pub(crate) fn side(&self) -> SplitSide {
        SplitSide::of(self.utterances.iter().map(|u| (u.speaker.as_deref(), u.word.as_deref())))
    }
}

impl Answers {
    /// Checks that there is an answer to each utterance and that all are classes.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] where not; [`ErrorKind::Unusable`] where the test side is empty.
    pub(crate) fn check(&self) -> Result<()> {
        let test = &self.test;
        if test.utterances.is_empty() {
            return Err(Error::new(ErrorKind::Unusable, "has an empty test side").at(&self.name));
        }
        let classes = test.utterances.iter().map(|utterance| &utterance.truth).chain(&self.predicted);
        let fits = self.predicted.len() == test.utterances.len()
            && classes.into_iter().all(|class| *class < test.labels.len());
        let wrong = || Error::new(ErrorKind::Mismatch, "has answers that do not fit its test side");
        if fits { Ok(()) } else { Err(wrong().at(&self.name)) }
    }

    /// Metrics over the utterances that `of` chooses.
    pub(crate) fn metrics(&self, of: impl Fn(&TestUtterance) -> bool) -> Result<Metrics> {
        let chosen = self.test.utterances.iter().zip(&self.predicted).filter(|(utterance, _)| of(utterance));
        let (truth, predicted): (Vec<usize>, Vec<usize>) =
            chosen.map(|(utterance, predicted)| (utterance.truth, *predicted)).unzip();
        Metrics::of(&truth, &predicted, self.test.labels.len())
    }

    /// What it scored on the whole test side.
    pub(crate) fn figures(&self) -> Result<RunFigures> {
        let metrics = self.metrics(|_| true)?;
        Ok(RunFigures {
            name: self.name.clone(),
            protocol: self.test.protocol.clone(),
            seed: self.seed,
            epoch: self.epoch,
            n_utterances: metrics.n_utterances,
            scores: Scores::from(&metrics),
            recall: recalls(&metrics),
            sets: self.sets,
        })
    }
}

/// Recall of each class; none where there are no utterances of it.
pub(crate) fn recalls(metrics: &Metrics) -> Vec<Option<f64>> {
    let recall = |class: &ClassMetrics| (class.support > 0).then_some(class.recall);
    metrics.classes.iter().map(recall).collect()
}
