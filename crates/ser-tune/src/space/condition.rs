//! When an option of the search space is there at all: some apply only with a certain choice of another, such as the sizes of
//! one architecture do.

use std::collections::BTreeMap;
use std::fmt;

use ser_core::Result;
use toml::Value as Toml;

use crate::space::entry::wrong;

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
