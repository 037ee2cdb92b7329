//! The lines of `--json`.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};
use ser_predict::{About, Answer, HeardIn, Opinion, Outcome};
use serde::Serialize;

/// What came of one recording.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    model: &'a str,
    #[serde(flatten)]
    answer: Option<AnswerFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An answer; what the model does not know is left out.
#[derive(Serialize)]
struct AnswerFields {
    label: String,
    probabilities: BTreeMap<String, f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_domain: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_as_unusual: Option<f64>,
    heard_before: bool,
    /// `null` of a sound that the model has not met.
    heard_in: Option<HeardIn>,
    seconds: f64,
    frames_cut: u32,
}

impl AnswerFields {
    fn of(answer: &Answer, labels: &[String]) -> Self {
        let Opinion { label, probabilities, set, unsure, out_of_domain, share_as_unusual } =
            Opinion::of(answer, labels);
        Self {
            label,
            probabilities,
            set,
            unsure,
            out_of_domain,
            share_as_unusual,
            heard_before: answer.is_heard_before(),
            heard_in: answer.heard_in,
            seconds: answer.seconds,
            frames_cut: answer.frames_cut,
        }
    }
}

/// What came of one recording, as a line.
pub(crate) fn json_line(about: &About, outcome: &Outcome) -> Result<String> {
    let line = Line {
        path: &outcome.name,
        model: &about.name,
        answer: outcome.answer.as_ref().ok().map(|answer| AnswerFields::of(answer, &about.labels)),
        error: outcome.answer.as_ref().err().map(Error::reason),
    };
    let text = serde_json::to_string(&line);
    text.map(|text| text + "\n").map_err(|error| {
        Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")).caused_by(error)
    })
}
