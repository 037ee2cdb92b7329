//! What sections are made of.

use maud::{Markup, PreEscaped, Render, html};
use ser_core::text::Untrusted;

use crate::evaluation::{Evaluation, RunRecord};
use crate::render::svg::{Plot, figures};

/// A name from the corpus, kept from mixing with the reading direction of the text around it.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi { (Untrusted(text)) } }
}

/// A name to be read letter by letter.
pub(super) fn path(text: &str) -> Markup {
    html! { span.path { (name(text)) } }
}

/// Several lines of text; [`Untrusted`] alone would show their ends.
pub(super) fn lines(text: &str) -> Markup {
    html! {
        @for (number, line) in text.trim_end().lines().enumerate() {
            @if number > 0 { "\n" }
            (Untrusted(line))
        }
    }
}

/// A table wider than the screen moves on its own, by keyboard too.
pub(super) fn scrolling(label: &str, content: impl Render) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label=(label) { (content) } }
}

pub(super) fn table(
    caption: &'static str,
    heads: impl IntoIterator<Item = impl Render>,
    rows: impl Render,
) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            (rows)
        }
    }
}

pub(super) fn row(head: impl Render, cells: impl IntoIterator<Item = String>) -> Markup {
    html! { tr { th scope="row" { (head) } @for cell in cells { td { (cell) } } } }
}

pub(super) fn figure(figure: &Plot, caption: &'static str) -> Markup {
    html! {
        figure {
            (scrolling(&figure.title, PreEscaped(figure.inline())))
            figcaption { span.hint { "Swipe the picture to see all of it. " } (caption) }
        }
    }
}

/// The figure of that name, where there is one.
pub(super) fn drawn(evaluation: &Evaluation, run: Option<&RunRecord>, name: &str) -> Option<Plot> {
    figures(evaluation, run).into_iter().find(|figure| figure.name == name)
}

pub(super) fn decimals<const N: usize>(values: [f64; N]) -> [String; N] {
    values.map(|value| format!("{value:.4}"))
}
