//! What defines a search. It is stored in the journal, so that a study continues as it began.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::{BaseRecipe, Objective, Pruner, Space, Study};

/// Name of the remark on a study.
pub(super) const KEY: &str = "ser_tune";

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
        })
    }

    /// The search that a study in a journal is.
    ///
    /// # Errors
    /// When it is not ours.
    pub fn of(study: &Study) -> Result<Self> {
        let setup = study.user_attrs.get(KEY).cloned().unwrap_or_default();
        serde_json::from_value(setup).map_err(|error| {
            Error::new(ErrorKind::Mismatch, format!("its study {:?} was not started by ser-tune", study.name))
                .help("give another --study folder")
                .caused_by(error)
        })
    }

    /// Makes sure that this search is the one that `earlier` began.
    ///
    /// # Errors
    /// When it is another, with every difference.
    pub fn continues(&self, earlier: &Self) -> Result<()> {
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
        let of = |map: &BTreeMap<String, String>, key: &str| {
            map.get(key).map_or("not there", |text| text).to_owned()
        };
        for key in self.space.keys().chain(earlier.space.keys().filter(|key| !self.space.contains_key(*key)))
        {
            compare(&format!("{key} in the space"), of(&earlier.space, key), of(&self.space, key));
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
            .help("continue the search as it was started, or give another --study folder"))
    }
}
