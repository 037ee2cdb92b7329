//! The table over runs: what a network scores under each protocol, over several seeds.
//!
//! [`find_runs`] finds finished runs below a folder; [`RunsReport::new`] makes the table of what they answered.

mod find;
mod gap;
mod row;
mod speakers;

use std::collections::BTreeMap;

use ser_core::remedy::{Action, Piece, Remedy};
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::evaluation::{Answers, RunFigures, TrainingSettings};
use crate::metrics::BootstrapOptions;
use crate::runs::row::Group;

pub use find::{FoundRun, find_runs};
pub use gap::VoiceGap;
pub use row::{MetricSummary, ProtocolRow, Recall};

/// The table over runs. Serialised, it is the object that `--json` prints; numbers are not rounded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunsReport {
    /// The folder that was searched.
    pub folder: String,
    /// One table for each recipe.
    pub recipes: Vec<RecipeTable>,
    /// Each run by itself.
    pub runs: Vec<RunFigures>,
    /// What was found and could not be used.
    pub unusable: Vec<UnusableRun>,
    /// Further notes.
    pub notes: Vec<String>,
    /// How often test sets were resampled.
    pub resamples: u32,
    /// What the figures mean.
    pub definitions: &'static str,
}

/// The protocols under one recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipeTable {
    /// Settings that the recipes do not share, with the values of this one; empty where there is one recipe.
    pub settings: Vec<String>,
    /// Classes, in index order.
    pub labels: Vec<String>,
    /// One row for each protocol, then one for all speakers together, and one for those of all folds.
    pub rows: Vec<ProtocolRow>,
    /// The difference between a random split and speakers that are not in training.
    pub gap: Option<VoiceGap>,
}

/// A run that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusableRun {
    /// Its folder.
    pub run: String,
    /// Why, and what to do.
    pub reason: String,
}

/// What the figures of the table mean.
pub const DEFINITIONS: &str = "mean ± standard deviation over seeds (n - 1); below it the 95 % interval of that mean: \
    percentile bootstrap, in which the test set is redrawn and every seed's answers are scored on the same draw";

impl RunsReport {
    /// Makes the table of `answers`, found below `folder`, where the runs `unusable` were found as well.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] where there are no answers, [`ErrorKind::Mismatch`] where some do not fit their test side,
    /// [`ErrorKind::Usage`] when `options` are not valid.
    pub fn new(
        folder: &str,
        answers: &[Answers],
        unusable: Vec<UnusableRun>,
        options: BootstrapOptions,
    ) -> Result<Self> {
        if answers.is_empty() {
            return Err(none_usable(folder, &unusable));
        }
        answers.iter().try_for_each(Answers::check)?;
        let mut notes = Vec::new();
        let groups = group(answers, &mut notes);
        let mut by_recipe: BTreeMap<&TrainingSettings, Vec<Group<'_>>> = BTreeMap::new();
        groups.into_iter().for_each(|group| by_recipe.entry(group.recipe()).or_default().push(group));
        let settings = TrainingSettings::differences(&by_recipe.keys().copied().collect::<Vec<_>>());
        let recipes = (by_recipe.into_values().zip(settings))
            .map(|(groups, settings)| recipe_table(&groups, settings, options, &mut notes))
            .collect::<Result<_>>()?;
        Ok(Self {
            folder: folder.to_owned(),
            recipes,
            runs: answers.iter().map(Answers::figures).collect::<Result<_>>()?,
            unusable,
            notes,
            resamples: options.resamples,
            definitions: DEFINITIONS,
        })
    }
}

fn none_usable(folder: &str, unusable: &[UnusableRun]) -> Error {
    let (what, help) = match unusable.first() {
        None => ("holds no run".to_owned(), Remedy::from(Action::TrainProtocols)),
        Some(first) => (
            format!("holds {} runs, none of which can be used", unusable.len()),
            Remedy::from(Piece::from(format!("the first: {}: {}", first.run, first.reason))),
        ),
    };
    Error::new(ErrorKind::Missing, what).at(folder).help(help)
}

/// Runs that differ in nothing but their seeds, and each seed once.
fn group<'a>(answers: &'a [Answers], notes: &mut Vec<String>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<_, Group<'a>> = BTreeMap::new();
    for run in answers {
        let key = (protocol_order(&run.test.protocol), &run.test.split, &run.recipe);
        let group = groups.entry(key).or_default();
        match group.runs.iter().find(|other| other.seed == run.seed) {
            Some(first) => notes.push(format!(
                "{} has the protocol, recipe and seed of {}, {}, and was not counted",
                run.name,
                first.name,
                if first.predicted == run.predicted { "and its answers" } else { "but different answers" }
            )),
            None => group.runs.push(run),
        }
    }
    groups.into_values().collect()
}

/// From what the model knows best to what it knows least.
fn protocol_order(protocol: &str) -> (u8, &str) {
    let rank = match protocol {
        "random" => 0,
        "word" => 1,
        other if other.starts_with("corpus-") => 3,
        _ => 2,
    };
    (rank, protocol)
}

fn recipe_table(
    groups: &[Group<'_>],
    settings: Vec<String>,
    options: BootstrapOptions,
    notes: &mut Vec<String>,
) -> Result<RecipeTable> {
    let mut rows = groups.iter().map(|group| group.row(options)).collect::<Result<Vec<ProtocolRow>>>()?;
    for (index, row) in rows.iter_mut().enumerate() {
        let dealt_twice = groups
            .iter()
            .enumerate()
            .any(|(other, group)| other != index && group.protocol() == row.protocol);
        if dealt_twice {
            row.split = Some(groups[index].split().chars().take(8).collect());
        }
    }
    let pooled = speakers::pooled(groups, options, notes)?;
    let gap = VoiceGap::of(&rows, &pooled);
    rows.extend(pooled.into_iter().map(|pooled| pooled.row));
    let labels = groups.first().map(|group| group.labels().to_vec()).unwrap_or_default();
    Ok(RecipeTable { settings, labels, rows, gap })
}
