//! The head of the page: the headline, the metrics, and the list of contents.

use maud::{Markup, html};
use ser_core::text::{Untrusted, thousands};

use crate::evaluation::{Evaluation, RunRecord};
use crate::render::html::sections::parts::{name, path};

/// The sections that have a place in the list of contents.
const CONTENTS: [(&str, &str); 9] = [
    ("split", "The split"),
    ("confusion", "Confusion matrix"),
    ("classes", "Classes"),
    ("training", "Training"),
    ("calibration", "Calibration"),
    ("uncertainty", "Uncertainty"),
    ("errors", "Mistakes"),
    ("reproduce", "Reproduce"),
    ("definitions", "Definitions"),
];

pub(in crate::render::html) fn head(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    let provenance = &evaluation.provenance;
    let interval = &evaluation.accuracy_interval;
    let version = run.map(|run| run.version.as_str()).filter(|version| !version.is_empty());
    let tile = |what: &'static str, value: f64, remark: String| {
        html! { li { (what) b { (format!("{value:.4}")) } small { (remark) } } }
    };
    html! {
        header {
            h1 {
                "Speech emotion recognition: test of " (path(&provenance.checkpoint))
                @if let Some(version) = version { ", trained by ser " (Untrusted(version)) }
            }
            p.headline {
                strong { (format!("{:.3}", evaluation.uar)) }
                span {
                    "unweighted average recall (UAR) on the split " b { (name(&provenance.protocol)) }
                    (format!(". A guess gives {:.3}.", evaluation.chance_uar))
                }
            }
            p.lead { (Untrusted(&provenance.protocol_in_words)) }
            ul.tiles {
                (tile("Accuracy (WA)", evaluation.accuracy, format!(
                    "{} of {} utterances; 95 % interval {:.4} to {:.4}",
                    thousands(evaluation.n_correct),
                    thousands(evaluation.n_utterances),
                    interval.lower,
                    interval.upper
                )))
                (tile("Macro-F1", evaluation.macro_f1, "mean F1 over all classes".to_owned()))
                (tile("Calibration error (ECE)", evaluation.calibration.ece, format!(
                    "states {:.4} on average",
                    evaluation.calibration.mean_confidence
                )))
                (tile("Cross-entropy", evaluation.cross_entropy, format!(
                    "nats; a guess gives {:.4}",
                    (evaluation.classes.len() as f64).ln()
                )))
            }
            @for note in &evaluation.notes {
                p { b { "Note:" } " " (Untrusted(note)) "." }
            }
            nav aria-label="Contents" {
                ul { @for (id, title) in CONTENTS { li { a href={ "#" (id) } { (title) } } } }
            }
        }
    }
}
