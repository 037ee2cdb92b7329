//! Text for a terminal of a given width.

mod classification_report;
mod comparison;
mod confusion_matrix;
mod runs;
mod uncertainty;

use ser_core::Result;
use ser_core::text::{columns, left, printable, thousands, wrap};

use crate::evaluation::{Evaluation, WrongPrediction};
use crate::metrics::ClassMetrics;
use crate::render::text::classification_report::layout;

pub use classification_report::classification_report;
pub use comparison::comparison;
pub use confusion_matrix::confusion_matrix;
pub use runs::runs;

/// The narrowest useful width of a table, in columns.
const MIN_WIDTH: usize = 40;

/// The whole evaluation for a terminal of `width` columns: the metrics with what they mean, what the protocol says about
/// them, the classification report, the confusion matrix, and the wrong answers where the evaluation holds them.
///
/// # Errors
/// [`ErrorKind::Mismatch`](ser_core::ErrorKind::Mismatch) if the fields of `evaluation` were changed and labels no
/// longer match the classes.
pub fn evaluation(evaluation: &Evaluation, width: usize) -> Result<String> {
    let width = width.max(MIN_WIDTH);
    let provenance = &evaluation.provenance;
    let interval = &evaluation.accuracy_interval;
    let n_tested = evaluation.classes.iter().filter(|class| class.metrics.support > 0).count();

    let mut page = String::new();
    let mut metric = |name: &str, value: f64, remark: &str| {
        page += format!("{name:<13}  {value:.4}   {remark}").trim_end();
        page.push('\n');
    };
    metric(
        "accuracy (WA)",
        evaluation.accuracy,
        &format!(
            "95 % interval {:.4} to {:.4}; {} of {} utterances",
            interval.lower,
            interval.upper,
            thousands(evaluation.n_correct),
            thousands(evaluation.n_utterances)
        ),
    );
    metric(
        "UAR",
        evaluation.uar,
        &format!("a guess: {:.4} (1 of {n_tested} classes)", evaluation.chance_uar),
    );
    metric("macro-F1", evaluation.macro_f1, "");
    metric(
        "cross-entropy",
        evaluation.cross_entropy,
        &format!("a guess: {:.4}", (evaluation.classes.len() as f64).ln()),
    );
    let calibration = &evaluation.calibration;
    metric(
        "ECE",
        calibration.ece,
        &format!("mean confidence {:.4}; MCE {:.4}", calibration.mean_confidence, calibration.mce),
    );
    metric("Brier score", calibration.brier, "");

    let mut paragraph = |text: &str, indent: usize| {
        page.push('\n');
        page += &wrap(&printable(text), width, indent);
        page.push('\n');
    };
    paragraph(&provenance.protocol_in_words, 0);
    for note in &evaluation.notes {
        paragraph(&format!("Note: {note}."), 6);
    }

    if let Some(why) = &evaluation.not_calibrated {
        paragraph(&format!("Not calibrated: {why}."), 4);
    }
    if let Some(why) = &evaluation.no_domain_reference {
        paragraph(&format!("What is out of its domain is not known: {why}."), 4);
    }
    if let Some(uncertainty) = &evaluation.uncertainty {
        page += &uncertainty::section(uncertainty, width);
    }
    if let Some(measured) = &evaluation.out_of_domain {
        page += &uncertainty::out_of_domain(measured, width);
    }

    if let Some(audit) = &evaluation.audit {
        page += "\nAudit of the split\n\n";
        let findings = audit.findings().into_iter().map(|finding| finding.to_string());
        for line in findings.chain(audit.shortcuts_in_words()) {
            page += &wrap(&printable(&line), width, 4);
            page.push('\n');
        }
    }

    page += "\nClassification report\n\n";
    let labels: Vec<String> = evaluation.classes.iter().map(|class| printable(&class.label).into()).collect();
    let classes = evaluation.classes.iter().map(|class| &class.metrics);
    let rows: Vec<(&str, &ClassMetrics)> = labels.iter().map(String::as_str).zip(classes).collect();
    page += &layout(&rows, evaluation.accuracy, &evaluation.macro_average, &evaluation.weighted_average);

    page += "\nConfusion matrix\n\n";
    page += &confusion_matrix(&evaluation.confusion_matrix, &labels, width, true)?;

    if let Some(wrong) = &evaluation.errors {
        page += &format!("\nWrong answers: {}\n", thousands(wrong.len() as u64));
        if !wrong.is_empty() {
            page.push('\n');
            page += &wrong_predictions(wrong);
        }
    }

    page += "\nDefinitions\n\n";
    let alone = evaluation.audit.as_ref().filter(|audit| !audit.shortcuts.is_empty());
    let alone = alone.map(|_| ("… alone", evaluation.definitions.shortcuts));
    for (name, definition) in evaluation.definitions.in_order().into_iter().chain(alone) {
        page += &wrap(&format!("{name} = {definition}"), width, 4);
        page.push('\n');
    }

    page.push('\n');
    page += &printable(&format!(
        "checkpoint {} ({}), cache {}",
        provenance.checkpoint,
        provenance.trained_in_words(),
        provenance.cache
    ));
    page.push('\n');
    Ok(page)
}

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
