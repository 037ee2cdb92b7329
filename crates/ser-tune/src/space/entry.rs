//! An entry of the search space, as TOML says it: what an option is chosen from, and when it is there. Some options apply
//! only with a certain choice of another, such as the sizes of one architecture do.

use std::collections::BTreeMap;
use std::fmt;

use ser_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use toml::Value as Toml;

use crate::Distribution;

/// Most choices of an option.
const MAX_CHOICES: usize = 1000;
/// Largest whole number that a double says exactly.
const MAX_INT: i64 = 1 << 53;
/// How an option can be chosen.
const KINDS: [&str; 5] = ["float", "log_float", "int", "log_int", "categorical"];

/// An error about the entry `key`, with what an entry may say.
pub(crate) fn wrong(key: &str, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{key} {what}")).help(
        "write { float = [low, high] }, { log_float = [low, high] }, { int = [low, high] } or { log_int = [low, high] }, \
         float and int also with step, or { categorical = [choice, …] }; any of them also with when",
    )
}

/// Whether `table` is an entry, and not a part of the keys of others.
pub(crate) fn is_entry(table: &toml::Table) -> bool {
    KINDS.iter().any(|kind| table.contains_key(*kind))
}

/// The distribution that `table` describes, and the choices of a categorical one as the recipe has them.
///
/// # Errors
/// When it describes none; the error names `key`.
pub(crate) fn distribution(key: &str, table: &toml::Table) -> Result<(Distribution, Vec<Toml>)> {
    let kinds: Vec<&String> = table.keys().filter(|name| *name != "step" && *name != "when").collect();
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
                return Err(wrong(key, &format!("begins at {low}, where the logarithm is undefined")));
            }
            let step = match step {
                None => None,
                Some(step) => Some(as_float(step).filter(|step| *step > 0.0).ok_or_else(|| {
                    wrong(key, &format!("has the step {step}, which is not a positive number"))
                })?),
            };
            if step.is_some_and(|step| (high - low) / step > 1e9) {
                return Err(wrong(key, "has too many steps"));
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
                    step.ok_or_else(|| wrong(key, "has a step that is not a positive whole number"))?
                }
            };
            Ok((Distribution::Int { low, high: low + (high - low) / step * step, log, step }, Vec::new()))
        }
        "categorical" => {
            if values.is_empty() || values.len() > MAX_CHOICES {
                return Err(wrong(
                    key,
                    &format!("has {} choices; from 1 to {MAX_CHOICES} are allowed", values.len()),
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

/// An option is present only while another, categorical one has one of these choices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    key: String,
    /// The choices by their place in the list, as people write them.
    choices: BTreeMap<usize, String>,
}

impl Condition {
    /// Reads what the entry `key` has as `when`: `{ "network.arch" = "cnn-bilstm" }`, or several choices in a list.
    /// `choices_of` gives the choices of a categorical option that is always there.
    ///
    /// # Errors
    /// When it names another number of options than one, an option that has no choices or is not always there, or a
    /// choice that the option does not have.
    pub(crate) fn read<'a>(
        key: &str,
        when: &Toml,
        choices_of: impl Fn(&str) -> Option<&'a [Toml]>,
    ) -> Result<Self> {
        let (on, asked) = one_option(when).ok_or_else(|| {
            wrong(key, "has a when that is not { \"option\" = choice } or { \"option\" = [choice, …] }")
        })?;
        let known = choices_of(&on).ok_or_else(|| {
            wrong(
                key,
                &format!(
                    "depends on {on}, which is not a categorical option of the space that is always there"
                ),
            )
        })?;
        // A choice may itself be a list.
        let asked = match asked {
            Toml::Array(several) if !known.contains(asked) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        let place = |choice: &Toml| {
            let place = known.iter().position(|known| known == choice);
            let unknown =
                || wrong(key, &format!("depends on {on} = {choice}, which is not one of its choices"));
            Ok((place.ok_or_else(unknown)?, choice.to_string()))
        };
        let choices: BTreeMap<usize, String> = asked.iter().map(place).collect::<Result<_>>()?;
        if choices.is_empty() {
            return Err(wrong(key, &format!("depends on {on} without a choice, so it is never there")));
        }
        Ok(Self { key: on, choices })
    }

    /// The option that decides.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Whether it holds when that option has `value`, in the internal representation.
    pub(crate) fn holds(&self, value: f64) -> bool {
        value.fract() == 0.0 && value >= 0.0 && self.choices.contains_key(&(value as usize))
    }

    /// The values of that option with which it holds.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.choices.keys().map(|place| *place as f64)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices: Vec<&str> = self.choices.values().map(String::as_str).collect();
        write!(f, "{} = {}", self.key, choices.join(" or "))
    }
}

/// The one option that `when` names, by its dotted key, and what it is to be.
fn one_option(when: &Toml) -> Option<(String, &Toml)> {
    let table = when.as_table().filter(|table| table.len() == 1)?;
    let (name, value) = table.iter().next()?;
    match value {
        Toml::Table(_) => one_option(value).map(|(rest, value)| (format!("{name}.{rest}"), value)),
        _ => Some((name.clone(), value)),
    }
}
