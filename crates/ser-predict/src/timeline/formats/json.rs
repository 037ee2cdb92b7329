//! Everything that a timeline holds, passages with their labels.

use ser_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> Result<String> {
    let no_json = |error: serde_json::Error| {
        Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")).caused_by(error)
    };
    let mut value = serde_json::to_value(timeline).map_err(no_json)?;
    let passages = value["passages"].as_array_mut().into_iter().flatten();
    for (passage, of) in passages.zip(&timeline.passages) {
        passage["label"] = Value::from(timeline.label(of));
    }
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(no_json)
}
