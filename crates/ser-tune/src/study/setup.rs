//! What defines a search, its objective among it. It is stored in the journal, so that a study continues as it began.

use std::collections::BTreeMap;

use ser_core::remedy::{Setting, Stage};
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::{BaseRecipe, Pruner, Space, Study};

/// A metric of the validation side. There is none of the test side: a search that looks at it makes its result a
/// part of the training.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Mean recall over classes on the validation side, as large as possible
    #[default]
    ValUar,
    /// Correct / all on the validation side, as large as possible
    ValAccuracy,
    /// Mean cross-entropy over the validation side in nats, as small as possible
    ValLoss,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Small values.
    Minimize = 1,
    /// Large values.
    Maximize = 2,
}

impl Objective {
    /// Its name in `metrics.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValUar => "val_uar",
            Self::ValAccuracy => "val_accuracy",
            Self::ValLoss => "val_loss",
        }
    }

    /// Which way is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::ValUar | Self::ValAccuracy => Direction::Maximize,
            Self::ValLoss => Direction::Minimize,
        }
    }
}

impl Direction {
    /// `value` as a loss: the smaller, the better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }
}

/// Name of the remark on a study.
pub(crate) const KEY: &str = "ser_tune";

/// What a search is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchSetup {
    /// The objective to optimise.
    pub objective: Objective,
    /// When trials are stopped early.
    pub pruner: Pruner,
    /// Seed of the suggestions.
    pub seed: u64,
    /// The distribution of each option, as JSON texts.
    pub space: BTreeMap<String, String>,
    /// When conditional options are present, in words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
    /// The base recipe in TOML.
    pub recipe: String,
    /// The splits that each trial is trained on, in this order, where these are not the one of the recipe: the objective
    /// is the mean over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<String>,
    /// The digest of each split by its protocol, by which other utterances, sides or features are noticed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
}

impl SearchSetup {
    /// Describes a search.
    ///
    /// # Errors
    /// When `ser-fit` does not take what the search would make of `recipe`; see [`BaseRecipe::check`].
    pub fn new(
        objective: Objective,
        pruner: Pruner,
        seed: u64,
        space: &Space,
        recipe: &BaseRecipe,
    ) -> Result<Self> {
        recipe.check(space)?;
        Ok(Self {
            objective,
            pruner,
            seed,
            space: space.to_json(),
            conditions: space.conditions_in_words(),
            recipe: recipe.to_toml()?,
            splits: Vec::new(),
            digests: BTreeMap::new(),
        })
    }

    /// The same search on splits with these `digests`, by protocol.
    #[must_use]
    pub fn on(self, digests: BTreeMap<String, String>) -> Self {
        Self { digests, ..self }
    }

    /// The same search over `splits`, in this order.
    #[must_use]
    pub fn over(self, splits: Vec<String>) -> Self {
        Self { splits, ..self }
    }

    /// The search that a study in a journal is.
    ///
    /// # Errors
    /// When it is not ours.
    pub(crate) fn of(study: &Study) -> Result<Self> {
        let setup = study.user_attrs.get(KEY).cloned().unwrap_or_default();
        serde_json::from_value(setup).map_err(|error| {
            Error::new(
                ErrorKind::Mismatch,
                format!("its study {:?} was not started by {}", study.name, Stage::Search),
            )
            .help(remedy!["give another ", Setting::Study, " folder"])
            .caused_by(error)
        })
    }

    /// Makes sure that this search is the one that `earlier` began.
    ///
    /// # Errors
    /// When it is another, with every difference.
    pub(crate) fn continues(&self, earlier: &Self) -> Result<()> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, before: String, now: String| {
            if before != now {
                differences.push(format!("{what} was {before}, and is now {now}"));
            }
        };
        let name = |objective: Objective| objective.name().to_owned();
        compare("the objective", name(earlier.objective), name(self.objective));
        compare("the pruner", format!("{:?}", earlier.pruner), format!("{:?}", self.pruner));
        compare("the seed", earlier.seed.to_string(), self.seed.to_string());
        let splits = |setup: &Self| match setup.splits.as_slice() {
            [] => "that of the recipe".to_owned(),
            splits => splits.join(", "),
        };
        compare("the split", splits(earlier), splits(self));
        let of = |map: &BTreeMap<String, String>, key: &str| {
            map.get(key).map_or("not there", |text| text).to_owned()
        };
        for key in self.space.keys().chain(earlier.space.keys().filter(|key| !self.space.contains_key(*key)))
        {
            compare(&format!("{key} in the space"), of(&earlier.space, key), of(&self.space, key));
        }
        for (protocol, digest) in &self.digests {
            if let Some(before) = earlier.digests.get(protocol) {
                compare(&format!("the split {protocol} of the cache"), before.clone(), digest.clone());
            }
        }
        let when =
            |setup: &Self, key: &str| setup.conditions.get(key).map_or("always", |when| when).to_owned();
        for key in self.space.keys().filter(|key| earlier.space.contains_key(*key)) {
            compare(&format!("the when of {key} in the space"), when(earlier, key), when(self, key));
        }
        let settings_that_decide =
            |recipe: &str| BaseRecipe::parse(recipe).and_then(|recipe| recipe.settings_that_decide());
        let (before, now) =
            (settings_that_decide(&earlier.recipe)?.flat(), settings_that_decide(&self.recipe)?.flat());
        for key in now.keys().chain(before.keys().filter(|key| !now.contains_key(*key))) {
            compare(&format!("{key} in the base recipe"), of(&before, key), of(&now, key));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Mismatch, format!("holds another search: {}", differences.join("; ")))
            .help(remedy![
                "continue the search as it was started, or give another ",
                Setting::Study,
                " folder"
            ]))
    }
}
