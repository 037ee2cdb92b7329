//! The classification report known from scikit-learn.

use ser_core::{Error, ErrorKind, Result};

use crate::metrics::{ClassAverage, ClassMetrics, Metrics};

/// Decimals of every number of the report.
const DIGITS: usize = 4;

/// Precision, recall, F1 and support of each class and their averages, byte for byte as scikit-learn's
/// `classification_report(truth, predicted, labels=range(n), target_names=labels, digits=4, zero_division=0)`.
///
/// Widths count characters as Python does, so that labels in a script with double-width characters shift their
/// rows, here as there. Supports are whole numbers also where no answer is right; scikit-learn 1.9 appends ".0" to
/// them then.
///
/// # Errors
/// [`ErrorKind::Mismatch`] if there is not one label for each class.
pub fn classification_report(metrics: &Metrics, labels: &[String]) -> Result<String> {
    if labels.len() != metrics.classes.len() {
        let what = format!("{} labels for {} classes", labels.len(), metrics.classes.len());
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    let rows: Vec<_> = labels.iter().map(String::as_str).zip(&metrics.classes).collect();
    Ok(layout(&rows, metrics.accuracy, &metrics.macro_average, &metrics.weighted_average))
}

/// The layout alone.
pub(super) fn layout(
    rows: &[(&str, &ClassMetrics)],
    accuracy: f64,
    macro_average: &ClassAverage,
    weighted_average: &ClassAverage,
) -> String {
    let longest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let width = longest.max("weighted avg".len());
    let n: u64 = rows.iter().map(|(_, class)| class.support).sum();
    let line = |name: &str, [precision, recall, f1]: [f64; 3], support: u64| {
        format!("{name:>width$}  {precision:>9.DIGITS$} {recall:>9.DIGITS$} {f1:>9.DIGITS$} {support:>9}\n")
    };
    let average =
        |name: &str, average: &ClassAverage| line(name, [average.precision, average.recall, average.f1], n);

    let mut report =
        format!("{:>width$}  {:>9} {:>9} {:>9} {:>9}\n\n", "", "precision", "recall", "f1-score", "support");
    for (label, class) in rows {
        report += &line(label, [class.precision, class.recall, class.f1], class.support);
    }
    report += "\n";
    report += &format!("{:>width$}  {:>9} {:>9} {accuracy:>9.DIGITS$} {n:>9}\n", "accuracy", "", "");
    report += &average("macro avg", macro_average);
    report += &average("weighted avg", weighted_average);
    report
}
