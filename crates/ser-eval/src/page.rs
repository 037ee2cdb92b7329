//! The page that ends an evaluation, as plain text.

use ser_core::Result;
use ser_core::text::{printable, thousands, wrap};

use crate::classification_report::layout;
use crate::metrics::ClassMetrics;
use crate::{Evaluation, confusion_matrix, wrong_predictions_table};

/// The narrowest useful width of a table, in columns.
const MIN_WIDTH: usize = 40;

/// The page for a terminal of `width` columns: the metrics with what they mean, what the protocol says about
/// them, the classification report, the confusion matrix, and the wrong answers where the evaluation holds them.
///
/// # Errors
/// [`ErrorKind::Mismatch`](ser_core::ErrorKind::Mismatch) if the fields of `evaluation` were changed and labels no
/// longer match the classes.
pub fn render(evaluation: &Evaluation, width: usize) -> Result<String> {
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
            page += &wrong_predictions_table(wrong);
        }
    }

    page += "\nDefinitions\n\n";
    let alone = evaluation.audit.as_ref().filter(|audit| !audit.shortcuts.is_empty());
    let alone = alone.map(|_| ("… alone", evaluation.definitions.shortcuts));
    for (name, definition) in definitions(evaluation).into_iter().chain(alone) {
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

pub(super) fn definitions(evaluation: &Evaluation) -> [(&'static str, &'static str); 11] {
    let d = &evaluation.definitions;
    [
        ("accuracy", d.accuracy),
        ("interval", d.accuracy_interval),
        ("UAR", d.uar),
        ("precision", d.precision),
        ("recall", d.recall),
        ("F1", d.f1),
        ("macro-F1", d.macro_f1),
        ("cross-entropy", d.cross_entropy),
        ("ECE", d.ece),
        ("MCE", d.mce),
        ("Brier score", d.brier),
    ]
}
