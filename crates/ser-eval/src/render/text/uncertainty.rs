//! What a model says of its own doubts as text, and of what is out of its domain.

use ser_core::text::{printable, wrap};

use crate::evaluation::{OutOfDomain, Uncertainty};

/// Temperature with what it changes and prediction sets, for a terminal of `width` columns.
pub(super) fn section(uncertainty: &Uncertainty, width: usize) -> String {
    let paragraph = |text: &str| format!("{}\n", wrap(&printable(text), width, 0));
    let mut text = "\nUncertainty\n\n".to_owned();
    text += &paragraph(&uncertainty.basis_in_words());
    let (before, after) = (&uncertainty.uncalibrated, &uncertainty.calibrated);
    text += &format!("\ntemperature {:<9.4} without      with\n", uncertainty.temperature);
    for (name, before, after) in [
        ("cross-entropy", before.cross_entropy, after.cross_entropy),
        ("ECE", before.ece, after.ece),
        ("Brier score", before.brier, after.brier),
    ] {
        text += &format!("{name:<22}{before:>7.4}   {after:>7.4}\n");
    }
    text += "\nprediction sets   coverage   mean size   one class\n";
    for set in &uncertainty.sets {
        let promised = format!("{} promised", set.coverage);
        text += &format!(
            "{promised:<15}  {:>9.4}   {:>9.4}   {:>9.4}\n",
            set.measured, set.mean_size, set.single_share
        );
    }
    text
}

/// How many utterances are called out of domain, for a terminal of `width` columns.
pub(super) fn out_of_domain(measured: &OutOfDomain, width: usize) -> String {
    let sentences = measured.in_words();
    let lines = sentences.iter().map(|sentence| format!("{}\n", wrap(&printable(sentence), width, 0)));
    format!("\nOut of domain\n\n{}", lines.collect::<String>())
}
