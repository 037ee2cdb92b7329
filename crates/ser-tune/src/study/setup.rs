//! What defines a search, its objective among it. It is stored in the journal, so that a study continues as it began.

use std::collections::BTreeMap;

use ser_core::remedy::{Setting, Stage};
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::{BaseRecipe, Objective, Pruner, Space, Study};

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
        let differences = self.differences(earlier)?;
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

    /// In what it differs from the `earlier` search, each as a clause of a sentence.
    fn differences(&self, earlier: &Self) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, before: &str, now: &str| {
            if before != now {
                differences.push(format!("{what} was {before}, and is now {now}"));
            }
        };
        compare("the objective", earlier.objective.name(), self.objective.name());
        compare("the pruner", &format!("{:?}", earlier.pruner), &format!("{:?}", self.pruner));
        compare("the seed", &earlier.seed.to_string(), &self.seed.to_string());
        compare("the split", &earlier.splits_in_words(), &self.splits_in_words());
        for (key, before, now) in side_by_side(&earlier.space, &self.space) {
            compare(&format!("{key} in the space"), before, now);
        }
        for (protocol, digest) in &self.digests {
            if let Some(before) = earlier.digests.get(protocol) {
                compare(&format!("the split {protocol} of the cache"), before, digest);
            }
        }
        for key in self.space.keys().filter(|key| earlier.space.contains_key(*key)) {
            compare(&format!("the when of {key} in the space"), earlier.when(key), self.when(key));
        }
        let (before, now) = (earlier.settings_that_decide()?, self.settings_that_decide()?);
        for (key, before, now) in side_by_side(&before, &now) {
            compare(&format!("{key} in the base recipe"), before, now);
        }
        Ok(differences)
    }

    fn splits_in_words(&self) -> String {
        match self.splits.as_slice() {
            [] => "that of the recipe".to_owned(),
            splits => splits.join(", "),
        }
    }

    /// When the option `key` is there, in words.
    fn when(&self, key: &str) -> &str {
        self.conditions.get(key).map_or("always", String::as_str)
    }

    /// The settings of the base recipe that decide what is learnt, by dotted key.
    fn settings_that_decide(&self) -> Result<BTreeMap<String, String>> {
        Ok(BaseRecipe::parse(&self.recipe)?.settings_that_decide()?.flat())
    }
}

/// What `before` and `now` say of each key of either, those of `now` first.
fn side_by_side<'a>(
    before: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    let of = |map: &'a BTreeMap<String, String>, key: &str| map.get(key).map_or("not there", String::as_str);
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    now.keys().chain(gone).map(move |key| (key.as_str(), of(before, key), of(now, key)))
}
