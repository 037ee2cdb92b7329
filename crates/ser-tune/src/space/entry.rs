//! An entry of the search space, as TOML says it: what an option is chosen from.

use ser_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use toml::Value as Toml;

use crate::Distribution;

/// Most choices of an option.
const MAX_CHOICES: usize = 1000;
/// Most steps between two bounds.
const MOST_STEPS: f64 = 1e9;
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
        "float" => Ok((float(key, values, step, false)?, Vec::new())),
        "log_float" => Ok((float(key, values, step, true)?, Vec::new())),
        "int" => Ok((int(key, values, step, false)?, Vec::new())),
        "log_int" => Ok((int(key, values, step, true)?, Vec::new())),
        "categorical" => Ok((categorical(key, values)?, values.clone())),
        other => Err(wrong(key, &format!("is chosen from {other:?}, which is not known"))),
    }
}

/// A real number between two bounds, which are `values`, evenly or by its logarithm.
fn float(key: &str, values: &[Toml], step: Option<&Toml>, log: bool) -> Result<Distribution> {
    let numbers: Vec<f64> = values.iter().filter_map(as_float).collect();
    let (low, high) = bounds(key, &numbers, values)?;
    if log && low <= 0.0 {
        return Err(wrong(key, &format!("begins at {low}, where the logarithm is undefined")));
    }
    let positive = |step: &Toml| {
        let what = || wrong(key, &format!("has the step {step}, which is not a positive number"));
        as_float(step).filter(|step| *step > 0.0).ok_or_else(what)
    };
    let step = step.map(positive).transpose()?;
    if step.is_some_and(|step| (high - low) / step > MOST_STEPS) {
        return Err(wrong(key, "has too many steps"));
    }
    // The last step that is in the range, as Optuna has it.
    let high = step.map_or(high, |step| low + ((high - low) / step + 1e-9).floor() * step);
    Ok(Distribution::Float { low, high, log, step })
}

/// A whole number between two bounds, which are `values`, evenly or by its logarithm.
fn int(key: &str, values: &[Toml], step: Option<&Toml>, log: bool) -> Result<Distribution> {
    let allowed = |number: &i64| (-MAX_INT..=MAX_INT).contains(number);
    let numbers: Vec<i64> = values.iter().filter_map(Toml::as_integer).filter(allowed).collect();
    let (low, high) = bounds(key, &numbers, values)?;
    if log && low < 1 {
        let what = format!("begins at {low}, and must begin at 1 or above for a logarithm");
        return Err(wrong(key, &what));
    }
    let positive = |step: &Toml| {
        let step = step.as_integer().filter(|step| (1..=MAX_INT).contains(step));
        step.ok_or_else(|| wrong(key, "has a step that is not a positive whole number"))
    };
    let step = step.map_or(Ok(1), positive)?;
    Ok(Distribution::Int { low, high: low + (high - low) / step * step, log, step })
}

/// One of `values`, which are all different.
fn categorical(key: &str, values: &[Toml]) -> Result<Distribution> {
    if values.is_empty() || values.len() > MAX_CHOICES {
        let what = format!("has {} choices; from 1 to {MAX_CHOICES} are allowed", values.len());
        return Err(wrong(key, &what));
    }
    let choices: Vec<Json> = values.iter().map(|choice| as_choice(key, choice)).collect::<Result<_>>()?;
    match choices.iter().enumerate().find(|(at, choice)| choices[..*at].contains(choice)) {
        Some((_, twice)) => Err(wrong(key, &format!("has the choice {twice} twice"))),
        None => Ok(Distribution::Categorical { choices }),
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
