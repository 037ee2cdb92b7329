//! What a journal says: its operations, applied one after the other as JournalStorage of Optuna applies them.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use crate::study::operation as code;
use crate::study::python_json::without_non_finite;
use crate::{Distribution, Trial, TrialState};

/// A study as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its place in the journal.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// For each of its objectives 1 to minimise or 2 to maximise it.
    pub directions: Vec<u64>,
    /// Remarks on it.
    pub user_attrs: BTreeMap<String, Json>,
}

/// Everything in a journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    studies: Vec<Study>,
    /// How many studies were ever created; deleted ones count.
    created: u64,
    /// Trials of all studies with the study of each; a trial's place is its id.
    trials: Vec<(u64, Trial)>,
    /// How many trials each study has.
    counts: BTreeMap<u64, u64>,
}

impl Replay {
    /// The studies, in the order they were created.
    pub fn studies(&self) -> &[Study] {
        &self.studies
    }

    /// The trials of a study, by number.
    pub fn trials(&self, study_id: u64) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |(of, _)| *of == study_id).map(|(_, trial)| trial)
    }

    /// A trial.
    pub fn trial(&self, trial_id: u64) -> Option<&Trial> {
        self.trials.get(usize::try_from(trial_id).ok()?).map(|(_, trial)| trial)
    }

    /// The id that the next trial gets.
    pub(crate) fn next_trial_id(&self) -> u64 {
        self.trials.len() as u64
    }

    /// Applies a line of the journal. Operations that Optuna refuses, such as changes of a finished trial, change
    /// nothing here either.
    ///
    /// # Errors
    /// When it is not an operation.
    pub(crate) fn apply(&mut self, line: &str) -> Result<()> {
        let json: Json = match serde_json::from_str(line) {
            Ok(json) => json,
            Err(_) => {
                serde_json::from_str(&without_non_finite(line)).map_err(|error| wrong().caused_by(error))?
            }
        };
        match number(&json, "op_code")? {
            code::CREATE_STUDY => self.create_study(&json),
            code::DELETE_STUDY => {
                let id = number(&json, "study_id")?;
                self.studies.retain(|study| study.id != id);
                Ok(())
            }
            code::SET_STUDY_USER_ATTR => {
                let id = number(&json, "study_id")?;
                if let Some(study) = self.studies.iter_mut().find(|study| study.id == id) {
                    study.user_attrs.extend(attributes(&json["user_attr"]));
                }
                Ok(())
            }
            code::CREATE_TRIAL => self.create_trial(&json),
            code::SET_STUDY_SYSTEM_ATTR | code::DISCARD_TRIALS => Ok(()),
            operation => self.change_trial(operation, &json),
        }
    }

    fn create_study(&mut self, json: &Json) -> Result<()> {
        let name = json["study_name"].as_str().ok_or_else(wrong)?.to_owned();
        if self.studies.iter().any(|study| study.name == name) {
            return Ok(());
        }
        let directions = json["directions"].as_array().ok_or_else(wrong)?;
        let directions = directions.iter().filter_map(Json::as_u64).collect();
        self.studies.push(Study { id: self.created, name, directions, user_attrs: BTreeMap::new() });
        self.created += 1;
        Ok(())
    }

    fn create_trial(&mut self, json: &Json) -> Result<()> {
        let study_id = number(json, "study_id")?;
        if !self.studies.iter().any(|study| study.id == study_id) {
            return Ok(());
        }
        let mut params = BTreeMap::new();
        for (name, distribution) in json["distributions"].as_object().into_iter().flatten() {
            let distribution = Distribution::from_json(distribution.as_str().ok_or_else(wrong)?)?;
            if let Some(value) = json["params"][name].as_f64() {
                params.insert(name.clone(), (distribution, value));
            }
        }
        let intermediate = json["intermediate_values"].as_object().into_iter().flatten();
        let intermediate = intermediate.filter_map(|(step, value)| Some((step.parse().ok()?, or_nan(value))));
        let state = state(json["state"].as_u64().unwrap_or(0))?;
        let count = self.counts.entry(study_id).or_default();
        let number = *count;
        *count += 1;
        let trial = Trial {
            id: self.trials.len() as u64,
            number,
            state,
            value: json["value"].as_f64().or(json["values"][0].as_f64()),
            params,
            intermediate_values: intermediate.collect(),
            user_attrs: attributes(&json["user_attrs"]).collect(),
            system_attrs: attributes(&json["system_attrs"]).collect(),
        };
        self.trials.push((study_id, trial));
        Ok(())
    }

    fn change_trial(&mut self, operation: u64, json: &Json) -> Result<()> {
        let place = usize::try_from(number(json, "trial_id")?).map_err(|_| wrong())?;
        let Some((_, trial)) = self.trials.get_mut(place).filter(|(_, trial)| !trial.state.is_finished())
        else {
            return Ok(());
        };
        match operation {
            code::SET_TRIAL_PARAM => {
                let name = json["param_name"].as_str().ok_or_else(wrong)?.to_owned();
                let distribution = Distribution::from_json(json["distribution"].as_str().ok_or_else(wrong)?)?;
                let value = json["param_value_internal"].as_f64().ok_or_else(wrong)?;
                trial.params.insert(name, (distribution, value));
            }
            code::SET_TRIAL_STATE_VALUES => {
                trial.state = state(number(json, "state")?)?;
                trial.value = json["values"][0].as_f64().or(trial.value);
            }
            code::SET_TRIAL_INTERMEDIATE_VALUE => {
                trial.intermediate_values.insert(number(json, "step")?, or_nan(&json["intermediate_value"]));
            }
            code::SET_TRIAL_USER_ATTR => trial.user_attrs.extend(attributes(&json["user_attr"])),
            code::SET_TRIAL_SYSTEM_ATTR => trial.system_attrs.extend(attributes(&json["system_attr"])),
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("holds operation {operation}, which is not known here"),
                )
                .help("use a newer version"));
            }
        }
        Ok(())
    }
}

fn wrong() -> Error {
    Error::new(ErrorKind::Damaged, "is not a journal operation")
}

fn number(json: &Json, key: &str) -> Result<u64> {
    json[key].as_u64().ok_or_else(wrong)
}

fn state(number: u64) -> Result<TrialState> {
    TrialState::from_number(number).ok_or_else(wrong)
}

fn or_nan(value: &Json) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn attributes(json: &Json) -> impl Iterator<Item = (String, Json)> {
    json.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone()))
}
