//! The most confident mistakes, with a player for each.

use maud::{Markup, PreEscaped, html};
use ser_core::text::{Untrusted, thousands};

use crate::evaluation::WrongPrediction;
use crate::render::html::recordings::{PlayerSource, Recordings};
use crate::render::html::sections::parts::name;

pub(in crate::render::html) fn errors(
    shown: &[WrongPrediction],
    n_wrong: usize,
    recordings: &mut Recordings<'_>,
) -> Markup {
    html! {
        h2 #errors { "The most confident mistakes" }
        @if shown.is_empty() {
            p { "There is none: every utterance of the test side was classified correctly." }
        } @else {
            p {
                (thousands(shown.len() as u64)) " of " (thousands(n_wrong as u64))
                " wrong answers, the most confident first. A confident mistake is often a wrong label, a poor recording \
                 or a class that sounds like another."
            }
            ol.errors {
                @for row in shown { li { (mistake(row)) (player(&row.path, recordings)) } }
            }
        }
    }
}

fn mistake(row: &WrongPrediction) -> Markup {
    html! {
        p {
            "said " b { (name(&row.predicted)) } (format!(" with {:.1} %,", row.probability_predicted * 100.0))
            // A template's `br` is not closed as XML wants it.
            (PreEscaped("<br/>"))
            "is " b { (name(&row.truth)) } (format!(", given {:.1} %", row.probability_true * 100.0))
        }
        p.path.muted { (name(&row.path)) }
    }
}

fn player(path: &str, recordings: &mut Recordings<'_>) -> Markup {
    match recordings.source(path) {
        PlayerSource::Url(url) => html! {
            audio controls="controls" preload="none" src=(url) aria-label=(Untrusted(path)) {}
        },
        PlayerSource::Without(why) => html! { p.muted { "No player: " (why) "." } },
        PlayerSource::Silent => html! {},
    }
}
