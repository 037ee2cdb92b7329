//! The base recipe, which all trials have in common, and the recipes of trials: the same with their options put in.

use std::collections::BTreeMap;
use std::path::Path;

use ser_core::remedy::Setting;
use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::{FIELDS_OF_PLACE, FitConfig};
use toml::{Table, Value};

use crate::Space;

/// Largest recipe that is read, bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// The recipe of a search or a trial, as a TOML document: what `ser-fit --config` takes for one network.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseRecipe(Table);

impl BaseRecipe {
    /// Reads a recipe, or takes an empty one, in which every option has its default.
    ///
    /// # Errors
    /// When it cannot be read, or is not a recipe.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(Table::new())) };
        let text = read_text(path, "a recipe", MAX_BYTES)?;
        let recipe = Self::parse(&text).map_err(|error| error.at(path))?;
        recipe.config().map_err(|error| error.at(path))?;
        Ok(recipe)
    }

    /// Reads a recipe from text.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Result<Table, _> = toml::from_str(text);
        table.map(Self).map_err(|error| Error::new(ErrorKind::Usage, format!("is not TOML: {error}")))
    }

    /// Sets the option with the dotted key `key`.
    pub fn set(&mut self, key: &str, value: Value) {
        let mut table = &mut self.0;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), value);
                return;
            }
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
    }

    /// This recipe with options of `space`, by their key, at values in the internal representation.
    pub(crate) fn with<'a>(&self, space: &Space, values: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut recipe = self.clone();
        for (key, value) in values {
            if let Some(value) = space.to_toml(key, value) {
                recipe.set(key, value);
            }
        }
        recipe
    }

    /// What `ser-fit` makes of it.
    ///
    /// # Errors
    /// When it has an option that `ser-fit` does not know, a value that is not valid, or makes an ensemble.
    pub fn config(&self) -> Result<FitConfig> {
        let config: FitConfig = self.0.clone().try_into().map_err(|error: toml::de::Error| {
            let text = error.to_string();
            Error::new(ErrorKind::Usage, text.lines().collect::<Vec<_>>().join(", "))
        })?;
        config.validate()?;
        // An ensemble's epochs are those of its members, each in a folder of its own.
        if config.members != 1 {
            let what = format!("members = {} makes an ensemble, but a trial is one network", config.members);
            return Err(Error::new(ErrorKind::Usage, what)
                .help(remedy!["search without it, then train best.toml with ", Setting::Members]));
        }
        Ok(config)
    }

    /// As TOML.
    ///
    /// # Errors
    /// When TOML cannot say it.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(&self.0)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))
    }

    /// The settings that decide what is learnt, with every default filled in: equal ones make the same search.
    ///
    /// # Errors
    /// As [`BaseRecipe::config`].
    pub(crate) fn settings_that_decide(&self) -> Result<Self> {
        let config = self.config()?;
        let mut table = Table::try_from(&config)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))?;
        table.retain(|key, _| !FIELDS_OF_PLACE.contains(&key));
        Ok(Self(table))
    }

    /// The options by dotted key, for telling differences.
    pub(crate) fn flat(&self) -> BTreeMap<String, String> {
        fn add(prefix: &str, table: &Table, flat: &mut BTreeMap<String, String>) {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                match value {
                    Value::Table(table) => add(&key, table, flat),
                    value => _ = flat.insert(key, value.to_string()),
                }
            }
        }
        let mut flat = BTreeMap::new();
        add("", &self.0, &mut flat);
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ser_model::network::CnnBilstmConfig;
    use ser_model::network::NetworkConfig;

    #[test]
    fn options_are_put_in_by_their_dotted_key() {
        let mut recipe = BaseRecipe::parse("lr = 0.1\n[network]\nhidden = 64\n").unwrap();
        recipe.set("network.dropout", Value::Float(0.5));
        recipe.set("lr", Value::Float(0.01));
        recipe.set("batch_size", Value::Integer(8));
        let config = recipe.config().unwrap();
        assert_eq!((config.lr, config.batch_size), (0.01, 8));
        let network = CnnBilstmConfig { hidden: 64, dropout: 0.5, ..CnnBilstmConfig::default() };
        assert_eq!(config.network, NetworkConfig::new(network));
        assert_eq!(BaseRecipe::parse(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn a_recipe_of_an_ensemble_is_refused_since_a_trial_is_one_network() {
        let error = BaseRecipe::parse("members = 3").unwrap().config().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().starts_with("members = 3 makes an ensemble, but a trial is one network"));
        BaseRecipe::parse("members = 1").unwrap().config().unwrap();
    }

    #[test]
    fn the_substance_leaves_out_where_it_is_trained() {
        let settings_that_decide =
            |text: &str| BaseRecipe::parse(text).unwrap().settings_that_decide().unwrap();
        assert_eq!(settings_that_decide("cache = 'a'\nthreads = 4"), settings_that_decide("lr = 0.001"));
        assert_ne!(settings_that_decide("lr = 0.002"), settings_that_decide(""));
    }
}
