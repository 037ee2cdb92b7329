//! Evaluates checkpoints on their test sides: for the table over runs and for comparing checkpoints.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ser_core::progress::{Progress, Silent};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::split::Side;
use ser_eval::compare::Comparison;
use ser_eval::metrics::{BootstrapOptions, SetCoverage};
use ser_eval::runs::{FoundRun, RunsReport, UnusableRun, find_runs};
use ser_eval::{Answers, Prediction, SplitSide, TestSide, TestUtterance, TrainingSettings};

use crate::assess::{AssessOptions, Assessment, assess_whole};

/// Assesses every finished run below `folder` as `options` say, and makes the table. What cannot be used is listed in it.
///
/// # Errors
/// When no run can be used, or `bootstrap` is not valid.
pub fn assess_runs(
    folder: &Path,
    options: &AssessOptions,
    bootstrap: BootstrapOptions,
    progress: &dyn Progress,
) -> Result<RunsReport> {
    let bootstrap = bootstrap.validate()?;
    let found = find_runs(folder)?;
    let (mut answers, mut unusable, mut sides) = (Vec::new(), Vec::new(), Sides::default());
    progress.start(found.len() as u64, "runs");
    for run in found {
        match run.and_then(|run| answers_of_run(&run, options, &mut sides)) {
            Ok(run) => answers.push(run),
            // The same for every run: none can be assessed.
            Err(error) if error.kind() == ErrorKind::Usage && error.path().is_none() => return Err(error),
            Err(error) => {
                let run = error.path().unwrap_or(folder).display().to_string();
                unusable.push(UnusableRun { run, reason: error.reason() });
            }
        }
        progress.advance(1);
    }
    progress.finish();
    RunsReport::new(&folder.display().to_string(), &answers, unusable, bootstrap)
}

/// Assesses `checkpoints` as `options` say, and compares each with the first.
///
/// # Errors
/// When one cannot be assessed, or their test sides are not the same utterances.
pub fn compare_checkpoints(
    checkpoints: &[PathBuf],
    options: &AssessOptions,
    bootstrap: BootstrapOptions,
    progress: &dyn Progress,
) -> Result<Comparison> {
    let bootstrap = bootstrap.validate()?;
    let mut sides = Sides::default();
    let answers: Vec<Answers> = (checkpoints.iter())
        .map(|checkpoint| {
            let options = AssessOptions { checkpoint: checkpoint.clone(), ..options.clone() };
            let name = checkpoint.display().to_string();
            answers_of(assess_whole(&options, progress)?, name, &mut sides)
        })
        .collect::<Result<_>>()?;
    Comparison::new(&answers, bootstrap)
}

/// Test sides by the digest of their split, each kept once for all runs on it.
type Sides = HashMap<String, Arc<TestSide>>;

fn answers_of_run(run: &FoundRun, options: &AssessOptions, sides: &mut Sides) -> Result<Answers> {
    let options = AssessOptions { checkpoint: run.checkpoint(), ..options.clone() };
    let whole = assess_whole(&options, &Silent)?;
    let mut answers = answers_of(whole, run.folder.display().to_string(), sides)?;
    // A run that was resumed for longer may keep an earlier best checkpoint, with the earlier settings.
    if let Some(config) = &run.config {
        for (setting, length) in [("fit.epochs", config.epochs), ("fit.steps", config.steps)] {
            match length {
                0 => answers.recipe.unset(setting),
                length => answers.recipe.set(setting, length),
            }
        }
        answers.recipe.set("fit.patience", config.patience);
    }
    Ok(answers)
}

/// What the prediction sets of a calibrated model did; none where it is not calibrated.
fn sets_of(predictions: &[Prediction]) -> Result<Option<SetCoverage>> {
    let doubts = predictions.iter().map(|prediction| prediction.doubt.clone()).collect::<Option<Vec<_>>>();
    let Some((coverage, sets)) = doubts.and_then(|doubts| {
        let coverage = doubts.first()?.coverage;
        Some((coverage, doubts.into_iter().map(|doubt| doubt.set).collect::<Vec<_>>()))
    }) else {
        return Ok(None);
    };
    let truth: Vec<usize> = predictions.iter().map(|prediction| prediction.truth).collect();
    SetCoverage::of(coverage, &truth, &sets).map(Some)
}

fn answers_of(assessment: Assessment, name: String, sides: &mut Sides) -> Result<Answers> {
    let Assessment { evaluation, predictions, origin, split } = assessment;
    let config = serde_json::to_value(&origin)
        .map_err(|error| Error::new(ErrorKind::Damaged, format!("cannot be described: {error}")).at(&name))?;
    let digest = split.digest.to_string();
    let test = sides.entry(digest.clone()).or_insert_with(|| {
        let utterances =
            split.side(Side::Test).iter().zip(&predictions).map(|(utterance, prediction)| TestUtterance {
                path: utterance.path.clone(),
                truth: prediction.truth,
                speaker: utterance.speaker.clone(),
                word: utterance.word.clone(),
                duration_s: utterance.duration_s,
            });
        let train = split.side(Side::Train).iter();
        Arc::new(TestSide {
            protocol: split.info.protocol.clone(),
            split: digest,
            labels: evaluation.labels.clone(),
            utterances: utterances.collect(),
            train: SplitSide::of(train.map(|u| (u.speaker.as_deref(), u.word.as_deref()))),
            audit: split.info.audit.in_short(),
        })
    });
    Ok(Answers {
        name,
        seed: origin.fit.seed,
        epoch: origin.epoch,
        recipe: TrainingSettings::of(&config, &evaluation.labels),
        test: Arc::clone(test),
        predicted: predictions.iter().map(|prediction| prediction.predicted).collect(),
        sets: sets_of(&predictions)?,
    })
}
