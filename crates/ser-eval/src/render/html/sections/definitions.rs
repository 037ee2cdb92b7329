//! What the metrics mean.

use maud::{Markup, html};

use crate::evaluation::Evaluation;

pub(in crate::render::html) fn definitions(evaluation: &Evaluation) -> Markup {
    html! {
        h2 #definitions { "Definitions" }
        dl {
            @for (term, definition) in evaluation.definitions.in_order() {
                dt { (term) }
                dd { (definition) }
            }
        }
        footer {
            "Made by ser " (env!("CARGO_PKG_VERSION")) ". This page runs no scripts and makes no network requests."
        }
    }
}
