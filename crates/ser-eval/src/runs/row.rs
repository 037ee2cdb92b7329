//! A row of the table: one protocol over several seeds.

use ser_core::Result;
use ser_core::text::thousands;
use serde::Serialize;

use crate::evaluation::answers::recalls;
use crate::evaluation::unit::resampled;
use crate::evaluation::voices::voices;
use crate::evaluation::{Answers, Resampled, TestSide, TrainingSettings, Voices};
use crate::metrics::{
    Bootstrap, BootstrapOptions, Estimate, Interval, Scores, SetCoverage, mean, sample_deviation,
    wilson_interval,
};

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProtocolRow {
    /// The protocol, or `speaker-independent` for all speakers together.
    pub protocol: String,
    /// The start of the split's digest, where the protocol was split in more than one way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Seeds of the runs.
    pub seeds: Vec<u64>,
    /// Utterances in the test set, or in all of them together.
    pub n_utterances: u64,
    /// Utterances in the training set; the smallest, where there are several.
    pub n_train: u64,
    /// Whether the test speakers were heard in training.
    pub voices: Voices,
    /// Accuracy.
    pub accuracy: MetricSummary,
    /// UAR.
    pub uar: MetricSummary,
    /// Macro-F1.
    pub macro_f1: MetricSummary,
    /// What was resampled for the intervals.
    pub resampled: Resampled,
    /// Recall of each class, in index order.
    pub recall: Vec<Recall>,
    /// What prediction sets did, mean over seeds, and over folds where the row is about several; none where a run is not
    /// calibrated.
    pub sets: Option<SetCoverage>,
    /// Further notes.
    pub notes: Vec<String>,
}

/// A metric over several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricSummary {
    /// Mean over seeds.
    pub mean: f64,
    /// Standard deviation over seeds, n − 1 in the denominator; none for a single seed.
    pub deviation: Option<f64>,
    /// 95 % interval of the mean, where there is something to resample.
    pub interval: Option<Interval>,
    /// Where speakers are too few to resample: the lowest and the highest of them.
    pub range: Option<[f64; 2]>,
}

/// The recall of one class over several seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// The class.
    pub label: String,
    /// Mean over seeds; none where the class has no test utterance.
    pub mean: Option<f64>,
    /// Standard deviation over seeds; none for a single seed.
    pub deviation: Option<f64>,
}

/// Runs that differ in nothing but their seeds; at least one.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) runs: Vec<&'a Answers>,
}

impl<'a> Group<'a> {
    fn first(&self) -> &'a Answers {
        // Groups are made of the run that begins them.
        self.runs[0]
    }

    pub(super) fn recipe(&self) -> &'a TrainingSettings {
        &self.first().recipe
    }

    pub(super) fn test(&self) -> &'a TestSide {
        &self.first().test
    }

    pub(super) fn protocol(&self) -> &'a str {
        &self.test().protocol
    }

    pub(super) fn split(&self) -> &'a str {
        &self.test().split
    }

    pub(super) fn labels(&self) -> &'a [String] {
        &self.test().labels
    }

    pub(super) fn row(&self, options: BootstrapOptions) -> Result<ProtocolRow> {
        let test = self.test();
        let (resampled, units) = resampled(test);
        let answers: Vec<&[usize]> = self.runs.iter().map(|run| run.predicted.as_slice()).collect();
        let bootstrap = Bootstrap::new(&test.truth(), &answers, units.as_deref(), test.labels.len())?;
        let replicates = bootstrap.run(options)?;
        let [accuracy, uar, macro_f1] = with_intervals(replicates.observed(), &replicates.mean());
        Ok(ProtocolRow {
            protocol: test.protocol.clone(),
            split: None,
            seeds: self.runs.iter().map(|run| run.seed).collect(),
            n_utterances: test.utterances.len() as u64,
            n_train: test.train.utterances,
            voices: voices(test),
            accuracy,
            uar,
            macro_f1,
            resampled,
            recall: self.recall()?,
            sets: self.sets(),
            notes: notes(test, self.recipe(), replicates.observed())?,
        })
    }

    /// What the prediction sets of its runs did, on average.
    pub(super) fn sets(&self) -> Option<SetCoverage> {
        SetCoverage::mean(&self.runs.iter().map(|run| run.sets).collect::<Option<Vec<_>>>()?)
    }

    fn recall(&self) -> Result<Vec<Recall>> {
        let per_run: Vec<Vec<Option<f64>>> =
            self.runs.iter().map(|run| Ok(recalls(&run.metrics(|_| true)?))).collect::<Result<_>>()?;
        let of_class = |class: usize| per_run.iter().filter_map(|run| run[class]).collect::<Vec<f64>>();
        let labels = self.labels().iter().enumerate();
        Ok(labels.map(|(class, label)| recall(label, &of_class(class))).collect())
    }
}

fn notes(test: &TestSide, recipe: &TrainingSettings, scores: &[Scores]) -> Result<Vec<String>> {
    let n = test.utterances.len() as u64;
    let mut notes = Vec::new();
    if !test.audit.is_empty() {
        notes.push(format!("the test {}", test.audit));
    }
    if recipe.get("fit.feature_normalisation") == Some("speaker") {
        notes.push(
            "features were normalised over the test speakers' own recordings, though not their labels"
                .to_owned(),
        );
    }
    if scores.len() == 1 {
        notes.push("a single run, so nothing is known of how seeds differ".to_owned());
    }
    if scores.iter().all(|scores| scores.accuracy == 1.0) {
        notes.push(format!(
            "every answer is right, which leaves a bootstrap nothing to vary; with {} utterances the accuracy may still \
             be as low as {:.4} (Wilson's 95 % interval of one run)",
            thousands(n),
            wilson_interval(n, n)?.lower
        ));
    }
    Ok(notes)
}

/// Accuracy, UAR and macro-F1 in the order of the table.
pub(super) const METRICS: [fn(&Scores) -> f64; 3] = [|s| s.accuracy, |s| s.uar, |s| s.macro_f1];

/// The three figures of `per_seed` with the intervals of `estimate`.
pub(super) fn with_intervals(per_seed: &[Scores], estimate: &Estimate) -> [MetricSummary; 3] {
    let intervals = [estimate.accuracy, estimate.uar, estimate.macro_f1];
    std::array::from_fn(|i| {
        let values: Vec<f64> = per_seed.iter().map(METRICS[i]).collect();
        MetricSummary {
            mean: METRICS[i](&estimate.observed),
            deviation: sample_deviation(&values),
            interval: Some(intervals[i]),
            range: None,
        }
    })
}

/// The recall of one class, from that of each seed.
pub(super) fn recall(label: &str, per_seed: &[f64]) -> Recall {
    Recall {
        label: label.to_owned(),
        mean: (!per_seed.is_empty()).then(|| mean(per_seed)),
        deviation: sample_deviation(per_seed),
    }
}
