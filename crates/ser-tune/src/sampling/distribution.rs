//! What values an option may take, in the terms and the JSON of Optuna's distributions.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde_json::Value as Json;

use crate::study::python_json::python_float;

/// Most steps that a journal may ask for: beyond, a double no longer tells them apart.
const MOST_STEPS: f64 = (1u64 << 53) as f64;
/// Most choices that a journal may ask for.
const MOST_CHOICES: usize = 100_000;

/// The values that an option may take, and how they are spread.
///
/// A value is handled in Optuna's internal representation: the number itself, or the index of a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Real numbers from `low` to `high`, both included.
    Float {
        /// The smallest.
        low: f64,
        /// The largest.
        high: f64,
        /// Whether they are spread evenly on a logarithmic scale.
        log: bool,
        /// Only `low`, `low + step`, …, if given; never with `log`.
        step: Option<f64>,
    },
    /// Whole numbers from `low` to `high`, both included.
    Int {
        /// The smallest.
        low: i64,
        /// The largest.
        high: i64,
        /// Whether they are spread evenly on a logarithmic scale.
        log: bool,
        /// Only `low`, `low + step`, …; 1 with `log`.
        step: i64,
    },
    /// One of these, without an order.
    Categorical {
        /// The choices: strings, booleans and numbers; others, such as arrays, as their TOML text.
        choices: Vec<Json>,
    },
}

impl Distribution {
    /// Whether there is only one value.
    pub(crate) fn is_single(&self) -> bool {
        match self {
            Self::Float { low, high, step: None, .. } => low == high,
            Self::Float { low, high, step: Some(step), .. } => high - low < *step * (1.0 - 1e-9),
            Self::Int { low, high, step, .. } => high.saturating_sub(*low) < *step,
            Self::Categorical { choices } => choices.len() == 1,
        }
    }

    /// Whether `value`, in the internal representation, is one of the values.
    pub fn contains(&self, value: f64) -> bool {
        let on_grid = |low: f64, step: f64| {
            let steps = (value - low) / step;
            (steps - steps.round()).abs() < 1e-8
        };
        match self {
            Self::Float { low, high, step, .. } => {
                (*low..=*high).contains(&value) && step.is_none_or(|step| on_grid(*low, step))
            }
            Self::Int { low, high, step, .. } => {
                (*low as f64..=*high as f64).contains(&value) && on_grid(*low as f64, *step as f64)
            }
            Self::Categorical { choices } => {
                value.fract() == 0.0 && (0.0..choices.len() as f64).contains(&value)
            }
        }
    }

    /// What `value`, in the internal representation, stands for.
    pub(crate) fn external(&self, value: f64) -> Json {
        match self {
            Self::Float { .. } => Json::from(value),
            Self::Int { .. } => Json::from(value as i64),
            Self::Categorical { choices } => choices.get(value as usize).cloned().unwrap_or(Json::Null),
        }
    }

    /// As Optuna writes it into a journal.
    pub fn to_json(&self) -> String {
        match self {
            Self::Float { low, high, log, step } => {
                let step = step.map_or("null".to_owned(), python_float);
                let (low, high) = (python_float(*low), python_float(*high));
                format!(
                    r#"{{"name": "FloatDistribution", "attributes": {{"step": {step}, "low": {low}, "high": {high}, "log": {log}}}}}"#
                )
            }
            Self::Int { low, high, log, step } => format!(
                r#"{{"name": "IntDistribution", "attributes": {{"log": {log}, "step": {step}, "low": {low}, "high": {high}}}}}"#
            ),
            Self::Categorical { choices } => {
                let choices: Vec<String> = choices.iter().map(choice_to_json).collect();
                format!(
                    r#"{{"name": "CategoricalDistribution", "attributes": {{"choices": [{}]}}}}"#,
                    choices.join(", ")
                )
            }
        }
    }

    /// Reads what Optuna, or [`Distribution::to_json`], wrote. Distributions that Optuna no longer writes are read too.
    ///
    /// # Errors
    /// When it is none, or one that no option can have; the error completes the sentence "this line …".
    pub(crate) fn from_json(text: &str) -> Result<Self> {
        let wrong = || {
            let what = format!("holds the distribution {}, which is not known here", shortened(text));
            Error::new(ErrorKind::Unsupported, what).help("use a newer version")
        };
        let json: Json = serde_json::from_str(text).map_err(|error| wrong().caused_by(error))?;
        let name = json["name"].as_str().ok_or_else(wrong)?;
        let attributes = &json["attributes"];
        let float = |key: &str| attributes[key].as_f64().ok_or_else(wrong);
        let int = |key: &str| attributes[key].as_i64().ok_or_else(wrong);
        let log = attributes["log"].as_bool().unwrap_or(name.contains("LogUniform"));
        let distribution = match name {
            "FloatDistribution" | "UniformDistribution" | "LogUniformDistribution" => {
                let step = attributes["step"].as_f64();
                Self::Float { low: float("low")?, high: float("high")?, log, step }
            }
            "DiscreteUniformDistribution" => {
                Self::Float { low: float("low")?, high: float("high")?, log, step: Some(float("q")?) }
            }
            "IntDistribution" | "IntUniformDistribution" | "IntLogUniformDistribution" => {
                let step = attributes["step"].as_i64().unwrap_or(1);
                Self::Int { low: int("low")?, high: int("high")?, log, step }
            }
            "CategoricalDistribution" => {
                let choices = attributes["choices"].as_array().cloned().ok_or_else(wrong)?;
                Self::Categorical { choices }
            }
            _ => return Err(wrong()),
        };
        match distribution.why_invalid() {
            None => Ok(distribution),
            Some(why) => {
                let what = format!("holds the distribution {}, {why}", shortened(text));
                Err(Error::new(ErrorKind::Unusable, what).help(remedy![
                    "put the journal back as it was, or give another ",
                    Setting::Study,
                    " folder"
                ]))
            }
        }
    }

    /// Why no option can be chosen from it, if so; completes the sentence "a distribution, …".
    fn why_invalid(&self) -> Option<&'static str> {
        match *self {
            Self::Float { low, high, .. } if !(low.is_finite() && high.is_finite() && low <= high) => {
                Some("whose bounds are not in order")
            }
            Self::Float { low, high, .. } if !(high - low).is_finite() => {
                Some("whose bounds are too far apart")
            }
            Self::Float { low, log: true, .. } if low <= 0.0 => {
                Some("which begins where the logarithm is undefined")
            }
            Self::Float { log: true, step: Some(_), .. } => Some("which has a step on a logarithmic scale"),
            Self::Float { step: Some(step), .. } if !(step.is_finite() && step > 0.0) => {
                Some("whose step is not above 0")
            }
            Self::Float { low, high, step: Some(step), .. } if (high - low) / step > MOST_STEPS => {
                Some("which has too many steps")
            }
            Self::Int { low, high, .. } if low > high => Some("whose bounds are not in order"),
            Self::Int { low, log: true, .. } if low < 1 => {
                Some("which begins where the logarithm is undefined")
            }
            Self::Int { log: true, step, .. } if step != 1 => Some("which has a step on a logarithmic scale"),
            Self::Int { step, .. } if step < 1 => Some("whose step is not above 0"),
            Self::Categorical { ref choices } if choices.is_empty() => Some("which has no choice"),
            Self::Categorical { ref choices } if choices.len() > MOST_CHOICES => {
                Some("which has too many choices")
            }
            _ => None,
        }
    }
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn choice_to_json(choice: &Json) -> String {
    match choice.as_f64() {
        Some(number) if choice.is_f64() => python_float(number),
        _ => choice.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_written_as_optuna_writes_them_and_read_back() {
        // What distribution_to_json of Optuna 5.0 gives.
        let cases = [
            (
                Distribution::Float { low: 1e-5, high: 1.0, log: true, step: None },
                r#"{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}"#,
            ),
            (
                Distribution::Float { low: 0.0, high: 1.0, log: false, step: Some(0.25) },
                r#"{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}"#,
            ),
            (
                Distribution::Int { low: 8, high: 64, log: false, step: 8 },
                r#"{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}"#,
            ),
            (
                Distribution::Categorical {
                    choices: vec![Json::Bool(true), Json::from("x"), Json::from(2), Json::from(2.5)],
                },
                r#"{"name": "CategoricalDistribution", "attributes": {"choices": [true, "x", 2, 2.5]}}"#,
            ),
        ];
        for (distribution, text) in cases {
            assert_eq!(distribution.to_json(), text);
            assert_eq!(Distribution::from_json(text).unwrap(), distribution);
        }
    }

    #[test]
    fn distributions_that_no_option_can_have_are_refused() {
        let float =
            |attributes: &str| format!(r#"{{"name": "FloatDistribution", "attributes": {{{attributes}}}}}"#);
        let int =
            |attributes: &str| format!(r#"{{"name": "IntDistribution", "attributes": {{{attributes}}}}}"#);
        let choices = |choices: &str| {
            format!(r#"{{"name": "CategoricalDistribution", "attributes": {{"choices": [{choices}]}}}}"#)
        };
        let many = vec!["1"; MOST_CHOICES + 1].join(",");
        for (text, said) in [
            (float(r#""low": 1, "high": 0, "log": false, "step": null"#), "whose bounds are not in order"),
            (float(r#""low": -1e308, "high": 1e308, "log": false, "step": null"#), "too far apart"),
            (float(r#""low": 0, "high": 1, "log": true, "step": null"#), "where the logarithm is undefined"),
            (float(r#""low": 1, "high": 2, "log": true, "step": 0.5"#), "a step on a logarithmic scale"),
            (float(r#""low": 0, "high": 1, "log": false, "step": 0"#), "whose step is not above 0"),
            (float(r#""low": 0, "high": 1, "log": false, "step": -0.5"#), "whose step is not above 0"),
            (float(r#""low": 0, "high": 1, "log": false, "step": 1e-300"#), "which has too many steps"),
            (float(r#""low": 0, "high": 1e999, "log": false, "step": null"#), "which is not known here"),
            (float(r#""low": 0, "high": NaN, "log": false, "step": null"#), "which is not known here"),
            (float(r#""low": 0, "log": false, "step": null"#), "which is not known here"),
            (int(r#""low": 2, "high": 1, "log": false, "step": 1"#), "whose bounds are not in order"),
            (int(r#""low": 0, "high": 1, "log": true, "step": 1"#), "where the logarithm is undefined"),
            (int(r#""low": 1, "high": 9, "log": true, "step": 2"#), "a step on a logarithmic scale"),
            (int(r#""low": 0, "high": 1, "log": false, "step": 0"#), "whose step is not above 0"),
            (int(r#""low": 0, "high": 1, "log": false, "step": -1"#), "whose step is not above 0"),
            (int(r#""low": 0, "high": 0.5, "log": false, "step": 1"#), "which is not known here"),
            (choices(""), "which has no choice"),
            (choices(&many), "which has too many choices"),
            (r#"{"name": "NormalDistribution", "attributes": {}}"#.to_owned(), "which is not known here"),
            ("[]".to_owned(), "which is not known here"),
        ] {
            let error = Distribution::from_json(&text).unwrap_err().to_string();
            assert!(error.contains(said) && error.starts_with("holds the distribution "), "{error}");
            assert!(error.len() < 600, "{error}");
        }
    }

    #[test]
    fn only_values_of_the_grid_are_contained() {
        let steps = Distribution::Int { low: 8, high: 64, log: false, step: 8 };
        assert!(steps.contains(16.0) && !steps.contains(17.0) && !steps.contains(72.0));
        let choices = Distribution::Categorical { choices: vec![Json::from("a"), Json::from("b")] };
        assert!(choices.contains(1.0) && !choices.contains(2.0) && !choices.contains(0.5));
        assert!(!Distribution::Float { low: 0.0, high: 1.0, log: false, step: None }.contains(f64::NAN));
    }
}
