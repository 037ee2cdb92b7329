//! The whole evaluation of a checkpoint as text.

use ser_cache::audit::Audit;
use ser_core::Result;
use ser_core::text::{printable, thousands, wrap};

use crate::evaluation::Evaluation;
use crate::metrics::ClassMetrics;
use crate::render::text::classification_report::layout;
use crate::render::text::{MIN_WIDTH, confusion_matrix, uncertainty, wrong_predictions};

/// The whole evaluation for a terminal of `width` columns: the metrics with what they mean, what the protocol says about
/// them, the classification report, the confusion matrix, and the wrong answers where the evaluation holds them.
///
/// # Errors
/// [`ErrorKind::Mismatch`](ser_core::ErrorKind::Mismatch) if the fields of `evaluation` were changed and labels no
/// longer match the classes.
pub fn evaluation(evaluation: &Evaluation, width: usize) -> Result<String> {
    let width = width.max(MIN_WIDTH);
    let mut page = metrics(evaluation);
    page += &remarks(evaluation, width);
    if let Some(measured) = &evaluation.uncertainty {
        page += &uncertainty::section(measured, width);
    }
    if let Some(measured) = &evaluation.out_of_domain {
        page += &uncertainty::out_of_domain(measured, width);
    }
    if let Some(found) = &evaluation.audit {
        page += &audit(found, width);
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
    page += &definitions(evaluation, width);
    page += &provenance(evaluation);
    Ok(page)
}

/// A line for each metric, with what a guess would get or what it is based on.
fn metrics(evaluation: &Evaluation) -> String {
    let interval = &evaluation.accuracy_interval;
    let calibration = &evaluation.calibration;
    let n_tested = evaluation.classes.iter().filter(|class| class.metrics.support > 0).count();
    let accuracy = format!(
        "95 % interval {:.4} to {:.4}; {} of {} utterances",
        interval.lower,
        interval.upper,
        thousands(evaluation.n_correct),
        thousands(evaluation.n_utterances)
    );
    let lines = [
        ("accuracy (WA)", evaluation.accuracy, accuracy),
        ("UAR", evaluation.uar, format!("a guess: {:.4} (1 of {n_tested} classes)", evaluation.chance_uar)),
        ("macro-F1", evaluation.macro_f1, String::new()),
        (
            "cross-entropy",
            evaluation.cross_entropy,
            format!("a guess: {:.4}", (evaluation.classes.len() as f64).ln()),
        ),
        (
            "ECE",
            calibration.ece,
            format!("mean confidence {:.4}; MCE {:.4}", calibration.mean_confidence, calibration.mce),
        ),
        ("Brier score", calibration.brier, String::new()),
    ];
    let line = |(name, value, remark): &(&str, f64, String)| {
        format!("{}\n", format!("{name:<13}  {value:.4}   {remark}").trim_end())
    };
    lines.iter().map(line).collect()
}

/// What the protocol means, and what is to be noted or not known.
fn remarks(evaluation: &Evaluation, width: usize) -> String {
    let paragraph = |text: &str, indent: usize| format!("\n{}\n", wrap(&printable(text), width, indent));
    let mut text = paragraph(&evaluation.provenance.protocol_in_words, 0);
    for note in &evaluation.notes {
        text += &paragraph(&format!("Note: {note}."), 6);
    }
    if let Some(why) = &evaluation.not_calibrated {
        text += &paragraph(&format!("Not calibrated: {why}."), 4);
    }
    if let Some(why) = &evaluation.no_domain_reference {
        text += &paragraph(&format!("What is out of its domain is not known: {why}."), 4);
    }
    text
}

fn audit(audit: &Audit, width: usize) -> String {
    let findings = audit.findings().into_iter().map(|finding| finding.to_string());
    let lines = findings.chain(audit.shortcuts_in_words());
    let lines = lines.map(|line| format!("{}\n", wrap(&printable(&line), width, 4)));
    format!("\nAudit of the split\n\n{}", lines.collect::<String>())
}

fn definitions(evaluation: &Evaluation, width: usize) -> String {
    let alone = evaluation.audit.as_ref().filter(|audit| !audit.shortcuts.is_empty());
    let alone = alone.map(|_| ("… alone", evaluation.definitions.shortcuts));
    let all = evaluation.definitions.in_order().into_iter().chain(alone);
    let lines =
        all.map(|(name, definition)| format!("{}\n", wrap(&format!("{name} = {definition}"), width, 4)));
    format!("\nDefinitions\n\n{}", lines.collect::<String>())
}

/// What was evaluated, and on what.
fn provenance(evaluation: &Evaluation) -> String {
    let provenance = &evaluation.provenance;
    let line = format!(
        "checkpoint {} ({}), cache {}",
        provenance.checkpoint,
        provenance.trained_in_words(),
        provenance.cache
    );
    format!("\n{}\n", printable(&line))
}
