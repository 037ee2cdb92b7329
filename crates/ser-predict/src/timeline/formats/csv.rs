//! A line a passage: `start_s`, `end_s`, `label`, `set` (the labels of its prediction set with `|` between them, and `\` before
//! each `|` or `\` of a label), `share_as_unusual`, `probability_<label>`.

use ser_core::text::label_set;
use ser_core::{Error, ErrorKind, Result};

use crate::labels_of;
use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> Result<String> {
    let no_csv =
        |what: String| Error::new(ErrorKind::Unsupported, format!("cannot be written as CSV: {what}"));
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let head = ["start_s", "end_s", "label", "set", "share_as_unusual"].map(str::to_owned).into_iter();
    let probabilities = timeline.labels.iter().map(|label| format!("probability_{label}"));
    csv.write_record(head.chain(probabilities)).map_err(|error| no_csv(error.to_string()))?;
    for passage in &timeline.passages {
        let set = passage.set.as_deref().unwrap_or_default();
        let fields = [
            passage.start_s.to_string(),
            passage.end_s.to_string(),
            timeline.label(passage).to_owned(),
            label_set(labels_of(set, &timeline.labels)),
            passage.share_as_unusual.map(|share| share.to_string()).unwrap_or_default(),
        ];
        let probabilities = passage.probabilities.iter().map(f32::to_string);
        csv.write_record(fields.into_iter().chain(probabilities))
            .map_err(|error| no_csv(error.to_string()))?;
    }
    let bytes = csv.into_inner().map_err(|error| no_csv(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| no_csv(error.to_string()))
}
