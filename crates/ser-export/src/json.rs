//! JSON for files that people read too.

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

/// `value` as JSON for a file.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(not_json)
}

pub(crate) fn not_json(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot be described as JSON: {error}")).caused_by(error)
}
