//! What is printed of a window.

use ser_core::text::printable;
use ser_predict::{Moment, Opinion};

use crate::words;

/// `    3.50 s   -32 dBFS  happy  0.72  unsure: happy, sad`, or a JSON object.
pub(super) fn line(labels: &[String], moment: &Moment, json: bool) -> String {
    if json {
        let opinion = moment.answer.as_ref().map(|answer| Opinion::of(answer, labels));
        let opinion = opinion.as_ref();
        let object = serde_json::json!({
            "t": moment.t,
            "level_dbfs": moment.level_dbfs,
            "label": opinion.map(|opinion| &opinion.label),
            "probabilities": opinion.map(|opinion| &opinion.probabilities),
            "set": opinion.and_then(|opinion| opinion.set.as_ref()),
            "share_as_unusual": opinion.and_then(|opinion| opinion.share_as_unusual),
        });
        return format!("{object}\n");
    }
    let said = match &moment.answer {
        None => "no speech".to_owned(),
        Some(answer) => {
            let label = words::label_with_probability(labels, answer.predicted, &answer.probabilities);
            let unsure = words::unsure(answer.set.as_deref(), labels);
            let unlike = (answer.out_of_domain == Some(true)).then(|| words::UNLIKE_TRAINING.to_owned());
            let notes = unsure.into_iter().chain(unlike);
            let notes = notes.map(|note| format!("  {}", printable(&note)));
            label + &notes.collect::<String>()
        }
    };
    format!("{:>8.2} s  {:>4.0} dBFS  {said}\n", moment.t, moment.level_dbfs)
}
