//! What the model says of its own doubts, and of what is out of its domain.

use maud::{Markup, html};
use ser_core::text::Untrusted;

use crate::evaluation::{Evaluation, Uncertainty};
use crate::render::html::sections::parts::{decimals, row, scrolling, table};

pub(in crate::render::html) fn uncertainty(evaluation: &Evaluation) -> Markup {
    html! {
        h2 #uncertainty { "Uncertainty" }
        @if let Some(measured) = &evaluation.uncertainty {
            (doubts(measured))
        } @else if let Some(why) = &evaluation.not_calibrated {
            p { "Not calibrated: " (Untrusted(why)) "." }
        } @else {
            p { "Nothing is known of a calibration." }
        }
        @if let Some(measured) = &evaluation.out_of_domain {
            @for sentence in measured.in_words() { p { (Untrusted(&sentence)) } }
        } @else if let Some(why) = &evaluation.no_domain_reference {
            p { "What is out of its domain is not known: " (Untrusted(why)) "." }
        }
    }
}

fn doubts(uncertainty: &Uncertainty) -> Markup {
    let (before, after) = (&uncertainty.uncalibrated, &uncertainty.calibrated);
    let effects = [
        ("cross-entropy", before.cross_entropy, after.cross_entropy),
        ("ECE", before.ece, after.ece),
        ("Brier score", before.brier, after.brier),
    ];
    let effects = effects.map(|(what, before, after)| row(what, decimals([before, after])));
    let sets = uncertainty.sets.iter().map(|set| {
        row(format!("{}", set.coverage), decimals([set.measured, set.mean_size, set.single_share]))
    });
    html! {
        p { (Untrusted(&uncertainty.basis_in_words())) }
        (scrolling("Effect of the temperature", table(
            "What dividing the logits by the temperature changes",
            ["", "without", &format!("with temperature {:.4}", uncertainty.temperature)],
            html! { tbody { @for effect in effects { (effect) } } },
        )))
        p {
            "A prediction set has as many of the most probable classes as it takes for the right one to be among them as \
             often as promised. One class is an answer; several are the model's way to say that it does not know."
        }
        (scrolling("Prediction sets", table(
            "Prediction sets on the test side",
            ["promised", "measured coverage", "mean size", "of one class"],
            html! { tbody { @for set in sets { (set) } } },
        )))
    }
}
