//! How far stated probabilities can be believed.

use maud::{Markup, html};

use crate::evaluation::Evaluation;
use crate::render::html::sections::parts::{drawn, figure};

pub(in crate::render::html) fn calibration(evaluation: &Evaluation) -> Markup {
    let calibration = &evaluation.calibration;
    let difference = calibration.mean_confidence - evaluation.accuracy;
    let verdict = match difference {
        d if d > 0.02 => "On average the model is more confident than it is right: it is overconfident.",
        d if d < -0.02 => "On average the model is right more often than it says: it is underconfident.",
        _ => "On average the model is about as confident as it is right.",
    };
    html! {
        h2 #calibration { "Calibration" }
        p {
            (format!(
                "The model states {:.1} % on average and is right in {:.1} % of cases. {verdict} Expected calibration \
                 error (ECE) {:.4}, largest gap of a bin {:.4}, Brier score {:.4}.",
                calibration.mean_confidence * 100.0,
                evaluation.accuracy * 100.0,
                calibration.ece,
                calibration.mce,
                calibration.brier
            ))
        }
        @if let Some(picture) = drawn(evaluation, None, "reliability-diagram") {
            (figure(
                &picture,
                "Answers sorted by how confident the model was in them. A bar that ends on the dashed line is a bin whose \
                 answers are right as often as stated; below it the model is overconfident. Below, how many answers each \
                 bin has: a bin with few shows little.",
            ))
        }
    }
}
