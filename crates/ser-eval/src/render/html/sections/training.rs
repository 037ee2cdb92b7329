//! The curves of the training.

use maud::{Markup, html};
use ser_core::text::Untrusted;
use ser_model::EpochRecord;

use crate::evaluation::{Evaluation, History, RunRecord};
use crate::render::html::sections::parts::{decimals, drawn, figure, row, scrolling, table};

pub(in crate::render::html) fn training(evaluation: &Evaluation, run: Option<&RunRecord>) -> Markup {
    html! {
        h2 #training { "Training" }
        @match run.map(|run| (run, &run.history)) {
            None => p { "There are no curves: nothing is known of the run." },
            Some((_, History::Unknown(reason))) => p { "There are no curves: " (Untrusted(reason)) "." },
            Some((run, History::Epochs(epochs))) => (curves(evaluation, run, epochs)),
        }
    }
}

fn curves(evaluation: &Evaluation, run: &RunRecord, epochs: &[EpochRecord]) -> Markup {
    let pictures = [
        (
            "loss-curve",
            "Mean cross-entropy. Training is measured while the weights still change, and with dropout.",
        ),
        ("accuracy-curve", "Share of utterances that are right, and the mean recall over classes (UAR)."),
    ];
    let rows = epochs.iter().map(|e| {
        let values = [e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.val_uar];
        row(e.epoch, decimals(values))
    });
    let heads = [
        "epoch",
        "training loss",
        "training accuracy",
        "validation loss",
        "validation accuracy",
        "validation UAR",
    ];
    html! {
        p {
            (epochs.len()) " epochs; the checkpoint is of epoch " (evaluation.provenance.epoch) ", "
            (run.fit.select.in_words()) ". No utterance of the validation side is in the test."
        }
        div.pair {
            @for (picture, caption) in pictures {
                @if let Some(picture) = drawn(evaluation, Some(run), picture) { (figure(&picture, caption)) }
            }
        }
        details {
            summary { "The same as a table" }
            (scrolling("Epochs", table(
                "Epochs of the training",
                heads,
                html! { tbody { @for row in rows { (row) } } },
            )))
        }
    }
}
