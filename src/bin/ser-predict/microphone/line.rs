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
            "unsure": opinion.and_then(|opinion| opinion.unsure),
            "out_of_domain": opinion.and_then(|opinion| opinion.out_of_domain),
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

#[cfg(test)]
mod tests {
    use ser_predict::Answer;
    use serde_json::{Value, json};

    use super::*;

    fn labels() -> Vec<String> {
        ["happy", "sad"].map(str::to_owned).to_vec()
    }

    fn moment(speech: bool) -> Moment {
        let answer = Answer {
            predicted: 1,
            probabilities: vec![0.25, 0.75],
            set: Some(vec![1, 0]),
            share_as_unusual: Some(0.01),
            out_of_domain: Some(true),
            heard_in: None,
            frames_cut: 0,
            seconds: 2.0,
        };
        Moment { t: 3.5, level_dbfs: -32.0, answer: speech.then_some(answer) }
    }

    #[test]
    fn a_program_is_told_as_much_as_a_reader() {
        let object = |speech: bool| -> Value {
            serde_json::from_str(&line(&labels(), &moment(speech), true)).unwrap()
        };
        let expected = json!({
            "t": 3.5, "level_dbfs": -32.0, "label": "sad", "probabilities": {"happy": 0.25, "sad": 0.75},
            "set": ["sad", "happy"], "unsure": true, "out_of_domain": true, "share_as_unusual": 0.01,
        });
        assert_eq!(object(true), expected);
        let silent = object(false);
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&silent), keys(&expected));
        assert!(silent["label"].is_null() && silent["unsure"].is_null() && silent["out_of_domain"].is_null());
        let said = line(&labels(), &moment(true), false);
        assert!(
            said.contains("sad")
                && said.contains("unsure: sad, happy")
                && said.contains(words::UNLIKE_TRAINING),
            "{said}"
        );
        assert!(line(&labels(), &moment(false), false).contains("no speech"));
    }
}
