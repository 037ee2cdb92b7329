//! The search space: which options of a recipe are searched over, and among what values.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use toml::Value as Toml;

use super::distribution::Distribution;
use crate::{Error, ErrorKind, Result};

/// Largest search space that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Most choices of an option.
const MAX_CHOICES: usize = 1000;
/// Largest whole number that a double says exactly.
const MAX_INT: i64 = 1 << 53;
/// What makes no sense to search over, and why.
const REFUSED: [(&str, &str); 3] = [
    ("cache", "trials on different data cannot be compared"),
    ("split", "trials on different validation sides cannot be compared"),
    ("publish", "every trial has its own folder"),
];

/// Options by their dotted key, and what they are chosen from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Space {
    options: BTreeMap<String, Distribution>,
    /// The choices of categorical options as the recipe has them.
    choices: BTreeMap<String, Vec<Toml>>,
}

impl FromIterator<(String, Distribution)> for Space {
    fn from_iter<I: IntoIterator<Item = (String, Distribution)>>(options: I) -> Self {
        Self { options: options.into_iter().collect(), choices: BTreeMap::new() }
    }
}

impl Space {
    /// Reads a search space in TOML:
    ///
    /// ```toml
    /// lr = { log_float = [1e-4, 1e-2] }
    /// batch_size = { int = [8, 64], step = 8 }
    /// network.dropout = { float = [0.0, 0.6] }
    /// network.hidden = { categorical = [64, 128, 256] }
    /// ```
    ///
    /// # Errors
    /// When it cannot be read, or an option is not described as above; the error names it.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |error| Error::io("cannot be read", path, error);
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::Limit, "is too large for a search space").at(path));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(io)?).map_err(|error| error.at(path))
    }

    /// As [`Space::read`], from text.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("is no TOML: {}", error.to_string().trim_end()))
        })?;
        let mut space = Self::default();
        space.add("", &table)?;
        if space.options.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "names no option to search over")
                .mend("give at least one, such as lr = { log_float = [1e-4, 1e-2] }"));
        }
        Ok(space)
    }

    fn add(&mut self, prefix: &str, table: &toml::Table) -> Result<()> {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let described = ["float", "log_float", "int", "log_int", "categorical"];
            match value {
                Toml::Table(table) if !described.iter().any(|kind| table.contains_key(*kind)) => {
                    if table.is_empty() || !table.values().all(Toml::is_table) {
                        let names: Vec<&str> = table.keys().map(String::as_str).collect();
                        return Err(wrong(
                            &key,
                            &format!("has {:?}, from which nothing is chosen", names.join(", ")),
                        ));
                    }
                    self.add(&key, table)?;
                }
                Toml::Table(table) => {
                    let root = key.split('.').next().unwrap_or_default();
                    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == root) {
                        return Err(Error::new(
                            ErrorKind::Usage,
                            format!("{key} is not to be searched over: {why}"),
                        ));
                    }
                    let (distribution, choices) = distribution(&key, table)?;
                    if !choices.is_empty() {
                        self.choices.insert(key.clone(), choices);
                    }
                    if self.options.insert(key.clone(), distribution).is_some() {
                        return Err(wrong(&key, "is there twice"));
                    }
                }
                _ => return Err(wrong(&key, "does not say what it is chosen from")),
            }
        }
        Ok(())
    }

    /// The options, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Distribution)> {
        self.options.iter()
    }

    /// What the recipe gets for `value` of the option `key`.
    pub fn to_toml(&self, key: &str, value: f64) -> Option<Toml> {
        match self.options.get(key)? {
            Distribution::Float { .. } => Some(Toml::Float(value)),
            Distribution::Int { .. } => Some(Toml::Integer(value as i64)),
            Distribution::Categorical { .. } => self.choices.get(key)?.get(value as usize).cloned(),
        }
    }

    /// Values at the edges of each option: the smallest and the largest, or every choice.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&String, Vec<f64>)> {
        self.options.iter().map(|(key, distribution)| {
            let edges = match distribution {
                Distribution::Float { low, high, .. } => vec![*low, *high],
                Distribution::Int { low, high, .. } => vec![*low as f64, *high as f64],
                Distribution::Categorical { choices } => {
                    (0..choices.len()).map(|index| index as f64).collect()
                }
            };
            (key, edges)
        })
    }

    /// The distributions as JSON texts, by key.
    pub(super) fn to_json(&self) -> BTreeMap<String, String> {
        self.options.iter().map(|(key, distribution)| (key.clone(), distribution.to_json())).collect()
    }
}

fn wrong(key: &str, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{key} {what}")).mend(
        "write { float = [low, high] }, { log_float = [low, high] }, { int = [low, high] } or { log_int = [low, high] }, \
         float and int also with step, or { categorical = [choice, …] }",
    )
}

/// The distribution that `table` describes, and the choices of a categorical one.
fn distribution(key: &str, table: &toml::Table) -> Result<(Distribution, Vec<Toml>)> {
    let kinds: Vec<&String> = table.keys().filter(|name| *name != "step").collect();
    let [kind] = kinds.as_slice() else {
        let names: Vec<&str> = kinds.iter().map(|name| name.as_str()).collect();
        return Err(wrong(key, &format!("has {}, which do not go together", names.join(" and "))));
    };
    let step = table.get("step");
    let values =
        table.get(kind.as_str()).and_then(Toml::as_array).ok_or_else(|| wrong(key, "has no list"))?;
    if step.is_some() && !matches!(kind.as_str(), "float" | "int") {
        return Err(wrong(key, &format!("cannot have a step with {kind}")));
    }
    match kind.as_str() {
        "float" | "log_float" => {
            let numbers: Vec<f64> = values.iter().filter_map(as_float).collect();
            let (low, high) = bounds(key, &numbers, values)?;
            let log = kind.as_str() == "log_float";
            if log && low <= 0.0 {
                return Err(wrong(key, &format!("begins at {low}, which has no logarithm")));
            }
            let step = match step {
                None => None,
                Some(step) => Some(as_float(step).filter(|step| *step > 0.0).ok_or_else(|| {
                    wrong(key, &format!("has the step {step}, which is no positive number"))
                })?),
            };
            if step.is_some_and(|step| (high - low) / step > 1e9) {
                return Err(wrong(key, "has more steps than make sense"));
            }
            // The last step that is in the range, as Optuna has it.
            let high = step.map_or(high, |step| low + ((high - low) / step + 1e-9).floor() * step);
            Ok((Distribution::Float { low, high, log, step }, Vec::new()))
        }
        "int" | "log_int" => {
            let numbers: Vec<i64> = values
                .iter()
                .filter_map(Toml::as_integer)
                .filter(|number| (-MAX_INT..=MAX_INT).contains(number))
                .collect();
            let (low, high) = bounds(key, &numbers, values)?;
            let log = kind.as_str() == "log_int";
            if log && low < 1 {
                return Err(wrong(
                    key,
                    &format!("begins at {low}, and must begin at 1 or above for a logarithm"),
                ));
            }
            let step = match step {
                None => 1,
                Some(step) => {
                    let step = step.as_integer().filter(|step| (1..=MAX_INT).contains(step));
                    step.ok_or_else(|| wrong(key, "has a step that is no positive whole number"))?
                }
            };
            Ok((Distribution::Int { low, high: low + (high - low) / step * step, log, step }, Vec::new()))
        }
        "categorical" => {
            if values.is_empty() || values.len() > MAX_CHOICES {
                return Err(wrong(
                    key,
                    &format!("has {} choices; from 1 to {MAX_CHOICES} make sense", values.len()),
                ));
            }
            let choices: Vec<Json> =
                values.iter().map(|choice| as_choice(key, choice)).collect::<Result<_>>()?;
            if let Some(twice) =
                choices.iter().enumerate().find(|(at, choice)| choices[..*at].contains(choice))
            {
                return Err(wrong(key, &format!("has the choice {} twice", twice.1)));
            }
            Ok((Distribution::Categorical { choices }, values.clone()))
        }
        other => Err(wrong(key, &format!("is chosen from {other:?}, which is not known"))),
    }
}

/// The two bounds, if there are two `numbers` in the list and they are in order.
fn bounds<T: Copy + PartialOrd>(key: &str, numbers: &[T], list: &[Toml]) -> Result<(T, T)> {
    match numbers {
        [low, high] if list.len() == 2 && low <= high => Ok((*low, *high)),
        [_, _] if list.len() == 2 => Err(wrong(key, "has its larger bound first")),
        _ => Err(wrong(key, "needs two numbers of its kind, the smallest and the largest")),
    }
}

fn as_float(value: &Toml) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
    number.filter(|number| number.is_finite())
}

/// A choice as Optuna can hold it: an array becomes a text.
fn as_choice(key: &str, choice: &Toml) -> Result<Json> {
    match choice {
        Toml::String(text) => Ok(Json::from(text.as_str())),
        Toml::Integer(number) => Ok(Json::from(*number)),
        Toml::Boolean(yes) => Ok(Json::from(*yes)),
        Toml::Float(number) if number.is_finite() => Ok(Json::from(*number)),
        Toml::Array(_) => Ok(Json::from(choice.to_string())),
        _ => Err(wrong(key, &format!("cannot have the choice {choice}"))),
    }
}

#[cfg(test)]
mod tests {
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
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (text, said) in [
            ("", "names no option"),
            ("lr = 0.1", "lr does not say what it is chosen from"),
            ("lr = { log_float = [0.0, 1.0] }", "lr begins at 0, which has no logarithm"),
            ("lr = { float = [1.0, 0.0] }", "lr has its larger bound first"),
            ("lr = { float = [1.0] }", "lr needs two numbers"),
            ("lr = { normal = [1.0, 2.0] }", "lr has \"normal\", from which nothing is chosen"),
            ("lr = { float = [0.0, nan] }", "lr needs two numbers"),
            ("lr = { float = [0.0, 1.0], int = [1, 2] }", "lr has float and int, which do not go together"),
            ("batch_size = { int = [1.5, 2] }", "batch_size needs two numbers"),
            ("batch_size = { int = [1, 2], step = 0 }", "batch_size has a step"),
            ("batch_size = { log_int = [0, 2] }", "batch_size begins at 0"),
            ("a.b = { categorical = [] }", "a.b has 0 choices"),
            ("a.b = { categorical = [1, 1] }", "a.b has the choice 1 twice"),
            ("split = { categorical = ['random', 'word'] }", "split is not to be searched over"),
            ("lr = [", "is no TOML"),
            ("a.b = { float = [0, 1] }\n'a.b' = { float = [0, 1] }", "a.b is there twice"),
        ] {
            let error = Space::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.to_string().starts_with(said), "{text}: {error}");
        }
    }
}
