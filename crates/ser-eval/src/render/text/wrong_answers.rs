//! The wrong answers as a table.

use ser_core::text::{columns, left, printable};

use crate::evaluation::WrongPrediction;

/// A table of wrong predictions for the terminal, in the order given, with the probability of both classes. Paths
/// come last and whole, so that they can be copied.
pub fn wrong_predictions(wrong: &[WrongPrediction]) -> String {
    let width = |heading: &str, label: fn(&WrongPrediction) -> &str| {
        wrong.iter().map(|row| columns(&printable(label(row)))).max().unwrap_or(0).max(heading.len())
    };
    let truth_width = width("true", |row| &row.truth);
    let predicted_width = width("predicted", |row| &row.predicted);
    let mut table = format!(
        "{}  {:>8}  {}  {:>8}  path\n",
        left("predicted", predicted_width),
        "prob.",
        left("true", truth_width),
        "prob."
    );
    for row in wrong {
        table += &format!(
            "{}  {:>8.4}  {}  {:>8.4}  {}\n",
            left(&printable(&row.predicted), predicted_width),
            row.probability_predicted,
            left(&printable(&row.truth), truth_width),
            row.probability_true,
            printable(&row.path)
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answers_stand_in_columns() {
        let wrong = WrongPrediction {
            path: "c".to_owned(),
            truth: "angry".to_owned(),
            predicted: "happy, \"very\"".to_owned(),
            probability_true: 0.5,
            probability_predicted: 0.9,
        };
        let table = wrong_predictions(&[wrong]);
        let expected = "predicted         prob.  true      prob.  path\n\
                        happy, \"very\"    0.9000  angry    0.5000  c\n";
        assert_eq!(table, expected);
    }
}
