//! What a journal consists of: operations, one per line, as Optuna's JournalStorage writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::study::python_json::python_float;
use crate::{Direction, Distribution, TrialState};

/// Optuna's numbers of operations.
pub(crate) const CREATE_STUDY: u64 = 0;
pub(crate) const DELETE_STUDY: u64 = 1;
pub(crate) const SET_STUDY_USER_ATTR: u64 = 2;
pub(crate) const SET_STUDY_SYSTEM_ATTR: u64 = 3;
pub(crate) const CREATE_TRIAL: u64 = 4;
pub(crate) const SET_TRIAL_PARAM: u64 = 5;
pub(crate) const SET_TRIAL_STATE_VALUES: u64 = 6;
pub(crate) const SET_TRIAL_INTERMEDIATE_VALUE: u64 = 7;
pub(crate) const SET_TRIAL_USER_ATTR: u64 = 8;
pub(crate) const SET_TRIAL_SYSTEM_ATTR: u64 = 9;
pub(crate) const DISCARD_TRIALS: u64 = 10;

/// An operation for the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A study begins.
    CreateStudy {
        /// Its name, unique in the journal.
        name: String,
        /// Which way is better.
        direction: Direction,
    },
    /// A remark on a study.
    SetStudyUserAttr {
        /// The study.
        study_id: u64,
        /// Name of the remark.
        key: String,
        /// The remark.
        value: Json,
    },
    /// A trial begins, with all its options in one line: so none is ever there without them.
    CreateTrial {
        /// Its study.
        study_id: u64,
        /// Its options, in the internal representation.
        params: BTreeMap<String, (Distribution, f64)>,
        /// Remarks on it.
        user_attrs: Map<String, Json>,
    },
    /// A trial ends.
    SetTrialState {
        /// The trial.
        trial_id: u64,
        /// How.
        state: TrialState,
        /// Its value.
        value: Option<f64>,
    },
    /// The objective after an epoch.
    SetTrialIntermediateValue {
        /// The trial.
        trial_id: u64,
        /// The epoch, from 1.
        step: u64,
        /// The objective; NaN if it was not a number.
        value: f64,
    },
    /// A remark on a trial.
    SetTrialUserAttr {
        /// The trial.
        trial_id: u64,
        /// Name of the remark.
        key: String,
        /// The remark.
        value: Json,
    },
    /// A remark of a pruner on a trial.
    SetTrialSystemAttr {
        /// The trial.
        trial_id: u64,
        /// Name of the remark.
        key: String,
        /// The remark.
        value: f64,
    },
}

impl Operation {
    /// The line of the journal, without its end, as written by `worker` now.
    pub(crate) fn to_line(&self, worker: &str) -> String {
        // Numbers that JSON cannot say are put in afterwards.
        let mut number = None;
        let mut put = |value: f64| {
            number = Some(python_float(value));
            json!(NUMBER)
        };
        let (code, fields) = match self {
            Self::CreateStudy { name, direction } => {
                (CREATE_STUDY, json!({ "study_name": name, "directions": [*direction as u8] }))
            }
            Self::SetStudyUserAttr { study_id, key, value } => {
                (SET_STUDY_USER_ATTR, json!({ "study_id": study_id, "user_attr": { key: value } }))
            }
            Self::CreateTrial { study_id, params, user_attrs } => {
                (CREATE_TRIAL, new_trial(*study_id, params, user_attrs))
            }
            Self::SetTrialState { trial_id, state, value } => {
                let values = value.map(|value| [value]);
                let mut fields = json!({ "trial_id": trial_id, "state": *state as u8, "values": values });
                if state.is_finished() {
                    fields["datetime_complete"] = now();
                }
                (SET_TRIAL_STATE_VALUES, fields)
            }
            Self::SetTrialIntermediateValue { trial_id, step, value } => {
                let value = put(*value);
                let fields = json!({ "trial_id": trial_id, "step": step, "intermediate_value": value });
                (SET_TRIAL_INTERMEDIATE_VALUE, fields)
            }
            Self::SetTrialUserAttr { trial_id, key, value } => {
                (SET_TRIAL_USER_ATTR, json!({ "trial_id": trial_id, "user_attr": { key: value } }))
            }
            Self::SetTrialSystemAttr { trial_id, key, value } => {
                let value = put(*value);
                (SET_TRIAL_SYSTEM_ATTR, json!({ "trial_id": trial_id, "system_attr": { key: value } }))
            }
        };
        let mut line = Map::from_iter([("op_code".into(), code.into()), ("worker_id".into(), worker.into())]);
        if let Json::Object(fields) = fields {
            line.extend(fields);
        }
        let line = Json::Object(line).to_string();
        number.map_or(line.clone(), |number| line.replacen(&Json::from(NUMBER).to_string(), &number, 1))
    }
}

/// Stands for a number that is put in afterwards.
const NUMBER: &str = "<the number>";

/// The fields of a trial that begins now.
fn new_trial(
    study_id: u64,
    params: &BTreeMap<String, (Distribution, f64)>,
    user_attrs: &Map<String, Json>,
) -> Json {
    let distributions = params.iter().map(|(name, (distribution, _))| (name, distribution.to_json()));
    let values = params.iter().map(|(name, (_, value))| (name, *value));
    json!({
        "study_id": study_id,
        "datetime_start": now(),
        "state": TrialState::Running as u8,
        "value": null,
        "values": null,
        "distributions": distributions.collect::<BTreeMap<_, _>>(),
        "params": values.collect::<BTreeMap<_, _>>(),
        "user_attrs": user_attrs,
        "system_attrs": {},
        "intermediate_values": {},
    })
}

/// The time now in UTC, as Optuna writes it.
fn now() -> Json {
    Json::from(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string())
}
