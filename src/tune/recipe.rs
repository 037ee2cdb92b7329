//! Recipes of trials: the base recipe with the options of a trial put in.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::distribution::Distribution;
use super::space::Space;
use crate::fit::FitConfig;
use crate::{Error, ErrorKind, Result};

/// Options that say where and how fast a trial is trained, not what it learns.
const CIRCUMSTANCES: [&str; 7] = ["data", "cache", "device", "threads", "verify", "mmap", "publish"];

/// A recipe as a TOML document: whatever `ser-fit --config` takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe(Table);

impl Recipe {
    /// Reads a recipe, or takes an empty one, in which every option has its default.
    ///
    /// # Errors
    /// When it cannot be read, or is no recipe.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(Table::new())) };
        FitConfig::read(path)?.validate().map_err(|error| error.at(path))?;
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("cannot be read", path, error))?;
        Self::parse(&text).map_err(|error| error.at(path))
    }

    /// Reads a recipe from text.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Result<Table, _> = toml::from_str(text);
        table.map(Self).map_err(|error| Error::new(ErrorKind::Usage, format!("is no TOML: {error}")))
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

    /// This recipe with the options of a trial.
    pub fn with(&self, space: &Space, params: &BTreeMap<String, (Distribution, f64)>) -> Self {
        let mut recipe = self.clone();
        for (key, (_, value)) in params {
            if let Some(value) = space.to_toml(key, *value) {
                recipe.set(key, value);
            }
        }
        recipe
    }

    /// What `ser-fit` makes of it.
    ///
    /// # Errors
    /// When it has an option that `ser-fit` does not know, or a value that makes no sense.
    pub fn config(&self) -> Result<FitConfig> {
        let config: FitConfig = self.0.clone().try_into().map_err(|error: toml::de::Error| {
            let text = error.to_string();
            Error::new(ErrorKind::Usage, text.lines().collect::<Vec<_>>().join(", "))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Makes sure, before any trial, that `ser-fit` takes every option of `space` at its edges.
    ///
    /// # Errors
    /// On the first option that it does not take, naming it and what is allowed.
    pub fn check(&self, space: &Space) -> Result<()> {
        self.config()?;
        for (key, edges) in space.edges() {
            for value in edges {
                let mut recipe = self.clone();
                let Some(value) = space.to_toml(key, value) else { continue };
                recipe.set(key, value.clone());
                recipe.config().map_err(|error| {
                    Error::new(ErrorKind::Usage, format!("{key} = {value} is refused: {}", error.reason()))
                })?;
            }
        }
        Ok(())
    }

    /// As TOML.
    ///
    /// # Errors
    /// When TOML cannot say it.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(&self.0)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))
    }

    /// What of it decides what is learnt, every default filled in: two recipes with the same are the same search.
    ///
    /// # Errors
    /// As [`Recipe::config`].
    pub fn substance(&self) -> Result<Self> {
        let config = self.config()?;
        let mut table = Table::try_from(&config)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))?;
        table.retain(|key, _| !CIRCUMSTANCES.contains(&key));
        Ok(Self(table))
    }

    /// The options by dotted key, for telling differences.
    pub fn flat(&self) -> BTreeMap<String, String> {
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
    use crate::fit::NetworkConfig;
    use crate::fit::network_config::CnnBilstmConfig;

    #[test]
    fn options_are_put_in_by_their_dotted_key() {
        let mut recipe = Recipe::parse("lr = 0.1\n[network]\nhidden = 64\n").unwrap();
        recipe.set("network.dropout", Value::Float(0.5));
        recipe.set("lr", Value::Float(0.01));
        recipe.set("batch_size", Value::Integer(8));
        let config = recipe.config().unwrap();
        assert_eq!((config.lr, config.batch_size), (0.01, 8));
        let network = CnnBilstmConfig { hidden: 64, dropout: 0.5, ..CnnBilstmConfig::default() };
        assert_eq!(config.network, NetworkConfig::CnnBilstm(network));
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn an_option_that_ser_fit_does_not_know_is_refused_with_those_it_knows() {
        let check = |text: &str| Recipe::parse("").unwrap().check(&Space::parse(text).unwrap());
        check("lr = { log_float = [1e-4, 1e-2] }\nnetwork.channels = { categorical = [[8, 16], [16, 32]] }")
            .unwrap();
        for (text, said) in [
            (
                "learning_rate = { float = [0.1, 0.2] }",
                "learning_rate = 0.1 is refused: unknown field `learning_rate`",
            ),
            ("network.dropuot = { float = [0.1, 0.2] }", "expected one of `channels`"),
            (
                "batch_size = { float = [8.0, 16.0] }",
                "batch_size = 8.0 is refused: invalid type: floating point",
            ),
            (
                "network.dropout = { float = [0.0, 1.0] }",
                "network.dropout = 1.0 is refused: network.dropout 1 makes no",
            ),
            ("select = { categorical = ['uar', 'test_uar'] }", "unknown variant `test_uar`, expected"),
            ("lr.high = { float = [0.0, 1.0] }", "lr.high = 0.0 is refused: invalid type: map"),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn the_substance_leaves_out_where_it_is_trained() {
        let substance = |text: &str| Recipe::parse(text).unwrap().substance().unwrap();
        assert_eq!(substance("cache = 'a'\nthreads = 4"), substance("lr = 0.001"));
        assert_ne!(substance("lr = 0.002"), substance(""));
    }
}
