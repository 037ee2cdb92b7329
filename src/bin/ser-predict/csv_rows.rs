//! The rows of the CSV file.

use ser_core::text::label_set;
use ser_predict::{About, Outcome, labels_of};

/// The names of its columns, with a probability for each of `labels`.
pub(crate) fn head(labels: &[String]) -> Vec<String> {
    let first = [
        "path",
        "label",
        "unsure",
        "set",
        "coverage",
        "share_as_unusual",
        "heard_before",
        "heard_in",
        "seconds",
        "frames_cut",
    ];
    let probabilities = labels.iter().map(|label| format!("probability_{label}"));
    let last = ["model", "error"].map(str::to_owned);
    first.map(str::to_owned).into_iter().chain(probabilities).chain(last).collect()
}

/// What came of one recording; `coverage` is that of prediction sets, or empty where there are none.
pub(crate) fn row(about: &About, coverage: &str, outcome: &Outcome) -> Vec<String> {
    let model = about.digest.to_string();
    match &outcome.answer {
        Ok(answer) => {
            let set = answer.set.as_deref().unwrap_or_default();
            let fields = [
                outcome.name.clone(),
                about.labels[answer.predicted].clone(),
                answer.set.as_ref().map(|_| answer.is_unsure().to_string()).unwrap_or_default(),
                label_set(labels_of(set, &about.labels)),
                coverage.to_owned(),
                answer.share_as_unusual.map(|share| share.to_string()).unwrap_or_default(),
                answer.is_heard_before().to_string(),
                answer.heard_in.map(|side| side.to_string()).unwrap_or_default(),
                answer.seconds.to_string(),
                answer.frames_cut.to_string(),
            ];
            // As ser-report writes them: the shortest decimal that reads back as the same number.
            let probabilities = answer.probabilities.iter().map(|probability| format!("{probability:?}"));
            fields.into_iter().chain(probabilities).chain([model, String::new()]).collect()
        }
        Err(error) => {
            let nothing = vec![String::new(); 9 + about.labels.len()];
            let first = std::iter::once(outcome.name.clone());
            first.chain(nothing).chain([model, error.reason()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use ser_cache::Sha;
    use ser_predict::Answer;

    use super::*;

    fn about(labels: [&str; 2]) -> About {
        About {
            name: "best".to_owned(),
            digest: Sha::of(&[]),
            labels: labels.map(str::to_owned).to_vec(),
            arch: "cnn".to_owned(),
            members: 1,
            n_parameters: 1,
            sample_rate: 16_000,
            longest_s: 4.0,
            typical_s: 2.0,
            protocol: "random".to_owned(),
            training_speakers: None,
            training_recordings: None,
            validation_uar: None,
            unheard_validation_speakers: None,
            calibrated: true,
            knows_its_domain: false,
            in_words: String::new(),
        }
    }

    #[test]
    fn the_labels_of_a_set_are_told_apart_whatever_they_hold() {
        let answer = Answer {
            predicted: 1,
            probabilities: vec![0.25, 0.75],
            set: Some(vec![1, 0]),
            share_as_unusual: None,
            out_of_domain: None,
            heard_in: None,
            frames_cut: 0,
            seconds: 1.0,
        };
        let outcome = Outcome { name: "a.wav".to_owned(), answer: Ok(answer) };
        let labels = ["happy", "sad|angry\\"];
        let row = row(&about(labels), "0.9", &outcome);
        assert_eq!(row[1], labels[1]);
        assert_eq!(row[3], r"sad\|angry\\|happy");
        assert_eq!(row.len(), head(&about(labels).labels).len());
    }
}
