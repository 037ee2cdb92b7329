//! Training one trial on several splits, one after the other: its value is the mean of the objective over them.
//!
//! Each split is a run of its own in a folder below that of the trial. When it ends, the journal has, in one
//! transaction, what it gave as user attributes and the mean over the splits so far as an intermediate value, whose step
//! is how many these are. All trials go through the splits in the same order, so that the pruner compares means over the
//! same ones.

use ser_core::Result;
use ser_core::storage::Storage;
use serde_json::json;

use crate::search::training::{RunEnd, Standing, Trained, Training};
use crate::{BaseRecipe, Trial, TrialState};

/// Name of the user attribute that holds the objective of a trial on `split`.
pub(crate) fn value_key(objective: &str, split: &str) -> String {
    format!("{objective} {split}")
}

impl Training<'_> {
    /// Trains `recipe` on every split of the search that the trial has not been trained on yet, until it is pruned or
    /// all is to stop.
    pub(crate) fn run_on_splits(&self, recipe: &BaseRecipe) -> Result<()> {
        let setup = self.shared.search.setup;
        let objective = setup.objective.name();
        let trial: &Trial = &self.task.trial;
        let sum = |key: &str| trial.number_attr(key).unwrap_or(0.0);
        // What an earlier process has trained.
        let mut values: Vec<f64> = (setup.splits.iter())
            .map_while(|split| trial.number_attr(&value_key(objective, split)))
            .collect();
        let (mut epochs, mut seconds) = (sum("epochs") as u64, sum("seconds"));
        for split in &setup.splits[values.len()..] {
            let folder = self.task.folder.join(split);
            Storage::native().make_folder(&folder)?;
            let mut recipe = recipe.clone();
            recipe.set("split", split.as_str().into());
            let trained = match self.train(&folder, &recipe, &mut |_, _| Ok(false))? {
                RunEnd::Stopped => return Ok(()),
                RunEnd::Failed(complaint) => return self.fail(&format!("{split}: {complaint}")),
                RunEnd::Trained(trained) => trained,
            };
            let Trained { value, best_epoch, epochs: more, seconds: longer } = trained;
            values.push(value);
            (epochs, seconds) = (epochs + more, seconds + longer);
            let remarks = vec![
                (value_key(objective, split), json!(value)),
                (format!("best_epoch {split}"), json!(best_epoch)),
                ("epochs".to_owned(), json!(epochs)),
                ("seconds".to_owned(), json!(seconds)),
            ];
            let standing = Standing {
                step: values.len() as u64,
                value: mean(&values),
                epochs,
                seconds,
                is_last: values.len() == setup.splits.len(),
            };
            if self.tell(&standing, remarks)? {
                return Ok(());
            }
        }
        self.end(TrialState::Complete, Some(mean(&values)), [])
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
