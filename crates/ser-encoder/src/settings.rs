//! A JSON file of settings, `config.json` or `preprocessor_config.json`, read as what a stranger may have written.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

/// The most bytes of such a file.
const MAX_BYTES: u64 = 4 << 20;

/// The settings of one file.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    path: PathBuf,
    values: Map<String, Value>,
}

impl Settings {
    /// # Errors
    /// When the file cannot be read or does not hold a JSON object.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::of_text(&read_text(path, "settings of a model", MAX_BYTES)?, path.to_owned())
    }

    /// The settings that `text` holds; `path` is where it comes from.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub(crate) fn of_text(text: &str, path: PathBuf) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(values) => Ok(Self { path, values }),
            Err(error) => Err(Error::new(ErrorKind::Damaged, format!("is not a JSON object: {error}"))
                .at(path)
                .help("copy it again from the model's folder")),
        }
    }

    /// The settings as text.
    pub(crate) fn to_json(&self) -> String {
        Value::Object(self.values.clone()).to_string()
    }

    /// The settings that lie below `key`, if there are any.
    pub(crate) fn below(&self, key: &str) -> Option<Self> {
        let values = self.values.get(key)?.as_object()?.clone();
        Some(Self { path: self.path.clone(), values })
    }

    /// An error about the setting `key`.
    pub(crate) fn refuse(&self, kind: ErrorKind, key: &str, expected: &str) -> Error {
        let value = self.values.get(key).unwrap_or(&Value::Null);
        Error::new(kind, format!("has {key} = {value}; expected {expected}")).at(&self.path)
    }

    /// A text; `usual` where it is missing.
    pub(crate) fn text(&self, key: &str, usual: &str) -> Result<String> {
        match self.values.get(key) {
            None => Ok(usual.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(self.refuse(ErrorKind::Unsupported, key, "a text")),
        }
    }

    /// One of a few texts, by its place among them; the first where it is missing.
    pub(crate) fn one_of(&self, key: &str, allowed: &[&str]) -> Result<usize> {
        let text = self.text(key, allowed.first().copied().unwrap_or_default())?;
        let found = allowed.iter().position(|known| *known == text);
        found.ok_or_else(|| self.refuse(ErrorKind::Unsupported, key, &allowed.join(" or ")))
    }

    /// Yes or no; `usual` where it is missing.
    pub(crate) fn flag(&self, key: &str, usual: bool) -> Result<bool> {
        match self.values.get(key) {
            None => Ok(usual),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.refuse(ErrorKind::Unsupported, key, "true or false")),
        }
    }

    /// A whole number within `range`; `usual` where it is missing.
    pub(crate) fn whole(&self, key: &str, usual: i64, range: RangeInclusive<i64>) -> Result<i64> {
        let Some(value) = self.values.get(key) else { return Ok(usual) };
        let within = value.as_i64().filter(|number| range.contains(number));
        within.ok_or_else(|| self.out_of(key, "a whole number", &range))
    }

    /// A number within `range`; `usual` where it is missing.
    pub(crate) fn number(&self, key: &str, usual: f64, range: RangeInclusive<f64>) -> Result<f64> {
        let Some(value) = self.values.get(key) else { return Ok(usual) };
        let within = value.as_f64().filter(|number| range.contains(number));
        within.ok_or_else(|| {
            let expected = format!("a number from {} to {}", range.start(), range.end());
            self.refuse(ErrorKind::Unsupported, key, &expected)
        })
    }

    /// A list of 1 to 32 whole numbers within `range`; `usual` where it is missing.
    pub(crate) fn wholes(&self, key: &str, usual: &[i64], range: RangeInclusive<i64>) -> Result<Vec<i64>> {
        let Some(value) = self.values.get(key) else { return Ok(usual.to_vec()) };
        let list = value.as_array().filter(|list| (1..=32).contains(&list.len()));
        let number = |value: &Value| value.as_i64().filter(|number| range.contains(number));
        let numbers = list.and_then(|list| list.iter().map(number).collect());
        numbers.ok_or_else(|| self.out_of(key, "a list of 1 to 32 whole numbers", &range))
    }

    /// Refuses a setting that asks for a part which is not built here.
    pub(crate) fn without(&self, key: &str, what: &str) -> Result<()> {
        match self.values.get(key) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(()),
            Some(value) => {
                let what = format!("has {key} = {value}: {what} is not supported");
                Err(Error::new(ErrorKind::Unsupported, what)
                    .at(&self.path)
                    .help("use a model without it, or one that it was trained from"))
            }
        }
    }

    fn out_of(&self, key: &str, what: &str, range: &RangeInclusive<i64>) -> Error {
        let expected = format!("{what} from {} to {}", range.start(), range.end());
        self.refuse(ErrorKind::Unsupported, key, &expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        let Value::Object(values) = serde_json::from_str(json).unwrap() else { panic!("{json}") };
        Settings { path: "config.json".into(), values }
    }

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        let hostile = settings(
            r#"{"a": 0, "b": 9007199254740993, "c": 1.5, "d": "7", "e": [], "f": [1, -1], "g": 1e999}"#
                .replace("1e999", "1e300")
                .as_str(),
        );
        for key in ["a", "b", "c", "d"] {
            let error = hostile.whole(key, 1, 1..=4).unwrap_err().to_string();
            assert!(error.contains(&format!("config.json: has {key} = ")), "{error}");
            assert!(error.contains("a whole number from 1 to 4"), "{error}");
        }
        for key in ["a", "e", "f"] {
            assert!(hostile.wholes(key, &[1], 1..=4).is_err(), "{key}");
        }
        assert!(hostile.number("g", 0.0, 0.0..=1.0).is_err());
        assert!(hostile.number("d", 0.0, 0.0..=1.0).is_err());
        assert_eq!(hostile.whole("missing", 3, 1..=4).unwrap(), 3);
    }

    #[test]
    fn what_is_not_built_is_refused_unless_it_is_off() {
        let settings = settings(r#"{"add_adapter": true, "off": false, "none": null, "width": 16}"#);
        let error = settings.without("add_adapter", "an adapter").unwrap_err().to_string();
        assert!(error.contains("add_adapter = true: an adapter is not supported"), "{error}");
        assert!(settings.without("width", "an adapter").is_err());
        for key in ["off", "none", "missing"] {
            settings.without(key, "an adapter").unwrap();
        }
    }
}
