//! The search space: which options of a recipe are searched over, and among what values.

pub(crate) mod check;
mod condition;
mod entry;

use std::collections::BTreeMap;
use std::path::Path;

use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use toml::Value as Toml;

use crate::Distribution;
use crate::space::condition::Condition;
use crate::space::entry::{distribution, is_entry, wrong};

/// Largest search space that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// What cannot be searched over, and why.
const REFUSED: [(&str, &str); 4] = [
    ("cache", "trials on different data cannot be compared"),
    ("split", "trials on different validation sides cannot be compared"),
    ("publish", "every trial has its own folder"),
    ("members", "a trial is one network; train an ensemble by the best recipe instead"),
];

/// Options by their dotted key, and what they are chosen from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Space {
    options: BTreeMap<String, Distribution>,
    /// The choices of categorical options as the recipe has them.
    choices: BTreeMap<String, Vec<Toml>>,
    /// When conditional options are present.
    conditions: BTreeMap<String, Condition>,
}

impl FromIterator<(String, Distribution)> for Space {
    fn from_iter<I: IntoIterator<Item = (String, Distribution)>>(options: I) -> Self {
        Self { options: options.into_iter().collect(), ..Self::default() }
    }
}

impl Space {
    /// Reads a search space in TOML:
    ///
    /// ```toml
    /// lr = { log_float = [1e-4, 1e-2] }
    /// batch_size = { int = [8, 64], step = 8 }
    /// network.dropout = { float = [0.0, 0.6] }
    /// network.arch = { categorical = ["cnn-bilstm", "cnn-transformer"] }
    /// network.layers = { int = [1, 4], when = { "network.arch" = "cnn-transformer" } }
    /// ```
    ///
    /// # Errors
    /// When it cannot be read, or an option is not described as above; the error names it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_text(path, "a search space", MAX_BYTES)?).map_err(|error| error.at(path))
    }

    /// As [`Space::read`], from text.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("is not TOML: {}", error.to_string().trim_end()))
        })?;
        let mut space = Self::default();
        let mut whens = BTreeMap::new();
        space.add("", &table, &mut whens)?;
        for (key, when) in &whens {
            let always =
                |on: &str| space.choices.get(on).filter(|_| !whens.contains_key(on)).map(Vec::as_slice);
            let condition = Condition::read(key, when, always)?;
            space.conditions.insert(key.clone(), condition);
        }
        if space.options.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "names no option to search over")
                .help("give at least one, such as lr = { log_float = [1e-4, 1e-2] }"));
        }
        Ok(space)
    }

    /// Adds the entries of `table`, and to `whens` what they say of when they are there.
    fn add<'a>(
        &mut self,
        prefix: &str,
        table: &'a toml::Table,
        whens: &mut BTreeMap<String, &'a Toml>,
    ) -> Result<()> {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Toml::Table(table) if !is_entry(table) => {
                    if table.is_empty() || !table.values().all(Toml::is_table) {
                        let names: Vec<&str> = table.keys().map(String::as_str).collect();
                        return Err(wrong(
                            &key,
                            &format!("has {:?}, which is not a kind of distribution", names.join(", ")),
                        ));
                    }
                    self.add(&key, table, whens)?;
                }
                Toml::Table(table) => {
                    let root = key.split('.').next().unwrap_or_default();
                    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == root) {
                        return Err(Error::new(
                            ErrorKind::Usage,
                            format!("{key} cannot be searched over: {why}"),
                        ));
                    }
                    let (distribution, choices) = distribution(&key, table)?;
                    if !choices.is_empty() {
                        self.choices.insert(key.clone(), choices);
                    }
                    if let Some(when) = table.get("when") {
                        whens.insert(key.clone(), when);
                    }
                    if self.options.insert(key.clone(), distribution).is_some() {
                        return Err(wrong(&key, "is there twice"));
                    }
                }
                _ => return Err(wrong(&key, "does not say what to choose it from")),
            }
        }
        Ok(())
    }

    /// The options, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Distribution)> {
        self.options.iter()
    }

    /// When the option `key` is there; none if it always is.
    pub(crate) fn condition(&self, key: &str) -> Option<&Condition> {
        self.conditions.get(key)
    }

    /// The options that are there together, by when they are: first those that always are.
    pub(crate) fn groups(&self) -> BTreeMap<Option<&Condition>, Vec<(&String, &Distribution)>> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for (key, distribution) in &self.options {
            groups.entry(self.condition(key)).or_default().push((key, distribution));
        }
        groups
    }

    /// What the recipe gets for `value` of the option `key`.
    pub(crate) fn to_toml(&self, key: &str, value: f64) -> Option<Toml> {
        match self.options.get(key)? {
            Distribution::Float { .. } => Some(Toml::Float(value)),
            Distribution::Int { .. } => Some(Toml::Integer(value as i64)),
            Distribution::Categorical { .. } => self.choices.get(key)?.get(value as usize).cloned(),
        }
    }

    /// When conditional options are present, in words, by key.
    pub(crate) fn conditions_in_words(&self) -> BTreeMap<String, String> {
        self.conditions.iter().map(|(key, condition)| (key.clone(), condition.to_string())).collect()
    }

    /// The distributions as JSON texts, by key.
    pub(crate) fn to_json(&self) -> BTreeMap<String, String> {
        self.options.iter().map(|(key, distribution)| (key.clone(), distribution.to_json())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    #[test]
    fn a_space_is_read_with_dotted_quoted_and_nested_keys() {
        let space = Space::parse(
            r#"
            lr = { log_float = [1e-4, 1e-2] }
            batch_size = { int = [8, 60], step = 8 }
            "network.hidden" = { categorical = [64, 128] }
            network.dropout = { float = [0, 0.6], step = 0.25 }
            [network.channels]
            categorical = [[16, 32], [32, 64]]
            "#,
        );
        let space = space.unwrap();
        let keys: Vec<&str> = space.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["batch_size", "lr", "network.channels", "network.dropout", "network.hidden"]);
        assert_eq!(space.options["batch_size"], Distribution::Int { low: 8, high: 56, log: false, step: 8 });
        assert_eq!(
            space.options["network.dropout"],
            Distribution::Float { low: 0.0, high: 0.5, log: false, step: Some(0.25) }
        );
        assert_eq!(space.options["network.channels"].external(1.0), Json::from("[32, 64]"));
        assert_eq!(space.to_toml("network.channels", 1.0).unwrap().to_string(), "[32, 64]");
        assert_eq!(space.to_toml("batch_size", 16.0).unwrap(), Toml::Integer(16));
    }

    #[test]
    fn options_are_grouped_by_when_they_are_there() {
        let space = Space::parse(
            r#"
            [network]
            arch = { categorical = ["cnn-bilstm", "cnn-transformer", "cnn-statistics"] }
            channels = { categorical = [[8, 16], [16, 32]] }
            hidden = { int = [8, 64], when = { "network.arch" = "cnn-bilstm" } }
            dropout = { float = [0.0, 0.5], when.network.arch = ["cnn-statistics", "cnn-transformer"] }
            views = { categorical = ["features"], when = { network.arch = ["cnn-transformer", "cnn-statistics"] } }
            dense = { int = [8, 16], when = { "network.channels" = [8, 16] } }
            "#,
        );
        let space = space.unwrap();
        let groups: Vec<(String, Vec<&str>)> = space
            .groups()
            .into_iter()
            .map(|(condition, options)| {
                let condition = condition.map_or("always".to_owned(), ToString::to_string);
                (condition, options.into_iter().map(|(key, _)| key.as_str()).collect())
            })
            .collect();
        let expected = [
            ("always", vec!["network.arch", "network.channels"]),
            ("network.arch = \"cnn-bilstm\"", vec!["network.hidden"]),
            (
                "network.arch = \"cnn-transformer\" or \"cnn-statistics\"",
                vec!["network.dropout", "network.views"],
            ),
            ("network.channels = [8, 16]", vec!["network.dense"]),
        ];
        assert_eq!(groups, expected.map(|(condition, keys)| (condition.to_owned(), keys)));
        let dropout = space.condition("network.dropout").unwrap();
        assert!(!dropout.holds(0.0) && dropout.holds(1.0) && dropout.holds(2.0) && !dropout.holds(3.0));
    }

    #[test]
    fn invalid_entries_are_refused_by_their_key() {
        for (text, said) in [
            ("", "names no option"),
            ("lr = 0.1", "lr does not say what to choose it from"),
            ("lr = { log_float = [0.0, 1.0] }", "lr begins at 0, where the logarithm is undefined"),
            ("lr = { float = [1.0, 0.0] }", "lr has its larger bound first"),
            ("lr = { float = [1.0] }", "lr needs two numbers"),
            ("lr = { normal = [1.0, 2.0] }", "lr has \"normal\", which is not a kind of distribution"),
            ("lr = { float = [0.0, nan] }", "lr needs two numbers"),
            ("lr = { float = [0.0, 1.0], int = [1, 2] }", "lr has float and int, which do not go together"),
            ("batch_size = { int = [1.5, 2] }", "batch_size needs two numbers"),
            ("batch_size = { int = [1, 2], step = 0 }", "batch_size has a step"),
            ("batch_size = { log_int = [0, 2] }", "batch_size begins at 0"),
            ("a.b = { categorical = [] }", "a.b has 0 choices"),
            ("a.b = { categorical = [1, 1] }", "a.b has the choice 1 twice"),
            ("split = { categorical = ['random', 'word'] }", "split cannot be searched over"),
            ("members = { int = [1, 5] }", "members cannot be searched over: a trial is one network"),
            ("a = { int = [1, 2], when = 'b' }", "a has a when that is not {"),
            ("a = { int = [1, 2], when = { b = 1, c = 2 } }", "a has a when that is not {"),
            ("a = { int = [1, 2], when = { b = 1 } }", "a depends on b, which is not a categorical option"),
            ("a = { int = [1, 2], when = { b = 1 } }\nb = { int = [1, 2] }", "a depends on b, which is not"),
            (
                "a = { int = [1, 2], when = { b = 3 } }\nb = { categorical = [1, 2] }",
                "a depends on b = 3, which is not one of its choices",
            ),
            (
                "a = { int = [1, 2], when = { b = [] } }\nb = { categorical = [1, 2] }",
                "a depends on b without a choice",
            ),
            (
                "a = { categorical = [1], when = { b = 1 } }\nb = { categorical = [1], when = { c = 1 } }\n\
                 c = { categorical = [1] }",
                "a depends on b, which is not a categorical option of the space that is always there",
            ),
            ("lr = [", "is not TOML"),
            ("a.b = { float = [0, 1] }\n'a.b' = { float = [0, 1] }", "a.b is there twice"),
        ] {
            let error = Space::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.to_string().starts_with(said), "{text}: {error}");
        }
    }
}
