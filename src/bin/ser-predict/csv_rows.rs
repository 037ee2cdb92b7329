//! The rows of the CSV file.

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
                labels_of(set, &about.labels).collect::<Vec<_>>().join("|"),
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
