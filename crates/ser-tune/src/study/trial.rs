//! A trial: one recipe and its result.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::Distribution;

/// How far a trial is, with Optuna's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrialState {
    /// It is being trained, or was when its supervisor was killed.
    Running = 0,
    /// It was trained to its end.
    Complete = 1,
    /// It was stopped early, because it did worse than others.
    Pruned = 2,
    /// It ended with an error.
    Fail = 3,
    /// It is still to be run; only other programs create such trials.
    Waiting = 4,
}

impl TrialState {
    /// Optuna's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Pruned => "PRUNED",
            Self::Fail => "FAIL",
            Self::Waiting => "WAITING",
        }
    }

    /// Whether it can change no more.
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Fail)
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [Self::Running, Self::Complete, Self::Pruned, Self::Fail, Self::Waiting]
            .into_iter()
            .find(|state| *state as u64 == number)
    }
}

/// A trial as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its place in the journal, over all studies in it.
    pub id: u64,
    /// Its number in the study, from 0.
    pub number: u64,
    /// How far it is.
    pub state: TrialState,
    /// Its value, once it is complete or pruned.
    pub value: Option<f64>,
    /// What its options were chosen from, and their values in the internal representation.
    pub params: BTreeMap<String, (Distribution, f64)>,
    /// The objective after each epoch, by its number from 1; in a search over several splits the mean of the objective
    /// over the first splits, by how many these are.
    pub intermediate_values: BTreeMap<u64, f64>,
    /// Remarks, such as its folder.
    pub user_attrs: BTreeMap<String, Json>,
    /// Remarks of samplers and pruners.
    pub system_attrs: BTreeMap<String, Json>,
}

impl Trial {
    /// The value of an option, if it was chosen from `distribution`.
    pub(crate) fn param(&self, name: &str, distribution: &Distribution) -> Option<f64> {
        let (chosen_from, value) = self.params.get(name)?;
        (chosen_from == distribution && distribution.contains(*value)).then_some(*value)
    }

    /// The options by name, in the internal representation.
    pub fn values(&self) -> impl Iterator<Item = (&str, f64)> {
        self.params.iter().map(|(name, (_, value))| (name.as_str(), *value))
    }

    /// The options by name, as people know them.
    pub fn external_params(&self) -> BTreeMap<String, Json> {
        let external = |(name, (distribution, value)): (&String, &(Distribution, f64))| {
            (name.clone(), distribution.external(*value))
        };
        self.params.iter().map(external).collect()
    }

    /// The last epoch and the objective after it.
    pub(crate) fn last_intermediate(&self) -> Option<(u64, f64)> {
        self.intermediate_values.last_key_value().map(|(step, value)| (*step, *value))
    }

    /// A remark that is a text.
    pub fn text_attr(&self, key: &str) -> Option<&str> {
        self.user_attrs.get(key).and_then(Json::as_str)
    }

    /// A remark that is a number.
    pub(crate) fn number_attr(&self, key: &str) -> Option<f64> {
        self.user_attrs.get(key).and_then(Json::as_f64)
    }
}
