//! The report as one page for a browser: no script, nothing fetched, and a policy in it that forbids both.
//!
//! Templates escape markup by themselves. Text that comes from a corpus, a file name or a checkpoint goes through
//! [`Untrusted`] besides, which also shows what could turn the text around it.

mod recordings;
mod sections;

use std::fmt::Write;
use std::path::Path;

use maud::{DOCTYPE, PreEscaped, html};
use ser_core::Result;
use ser_core::text::Untrusted;

use crate::evaluation::{Evaluation, Prediction, RunRecord, wrong_predictions};
use crate::render::html::recordings::Recordings;
use crate::render::svg::colour::{Ground, Palette};

pub use recordings::{Audio, MAX_EMBEDDED_BYTES};

const STYLE: &str = include_str!("style.css");
/// Mistakes shown with their recordings, the most confident ones.
const MAX_ERRORS: usize = 24;

/// How a page is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOptions<'a> {
    /// Whether recordings can be listened to.
    pub audio: Audio,
    /// Where the page is going to lie: recordings below that folder are linked relative to it.
    pub path: &'a Path,
}

/// The page: the headline with what the split makes of it, the audit, confusion matrix, classes, curves, calibration,
/// uncertainty, the most confident mistakes, and how to reproduce it.
///
/// # Errors
/// [`ErrorKind::Mismatch`](ser_core::ErrorKind::Mismatch) if `predictions` are not those of `evaluation`.
pub fn page(
    evaluation: &Evaluation,
    predictions: &[Prediction],
    run: Option<&RunRecord>,
    options: &PageOptions<'_>,
) -> Result<String> {
    let wrong = wrong_predictions(&evaluation.labels, predictions)?;
    let corpora = run.and_then(|run| run.corpora.as_ref());
    let mut recordings = Recordings::new(options.audio, corpora, options.path);
    let shown = &wrong[..wrong.len().min(MAX_ERRORS)];

    // First, as the policy depends on what was embedded.
    let errors = sections::errors(shown, wrong.len(), &mut recordings);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src {}; base-uri 'none'; form-action 'none'",
        recordings.media_sources()
    );
    let title = format!("UAR {:.3} on {} · ser", evaluation.uar, evaluation.provenance.protocol);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped("<meta charset=\"utf-8\"/>"))
                (meta("http-equiv", "Content-Security-Policy", &policy))
                (meta("name", "viewport", "width=device-width, initial-scale=1"))
                (meta("name", "color-scheme", "light dark"))
                (meta("name", "referrer", "no-referrer"))
                (meta("name", "generator", concat!("ser ", env!("CARGO_PKG_VERSION"))))
                title { (Untrusted(&title)) }
                style { (PreEscaped(style())) }
            }
            body {
                main {
                    (sections::head(evaluation, run))
                    (sections::split(evaluation, run))
                    (sections::confusion(evaluation))
                    (sections::classes(evaluation))
                    (sections::training(evaluation, run))
                    (sections::calibration(evaluation))
                    (sections::uncertainty(evaluation))
                    (errors)
                    (sections::reproduction(evaluation, run))
                    (sections::definitions(evaluation))
                }
            }
        }
    };
    Ok(page.into_string() + "\n")
}

/// An element `meta`, closed so that a reader of XML understands the page too; a template leaves it open.
fn meta(kind: &'static str, name: &'static str, content: &str) -> PreEscaped<String> {
    let content = html! { (content) }.into_string();
    PreEscaped(format!("<meta {kind}=\"{name}\" content=\"{content}\"/>"))
}

fn style() -> String {
    let mut css = String::new();
    for (query, ground) in
        [("", Ground::Light), ("@media screen and (prefers-color-scheme:dark)", Ground::Dark)]
    {
        let Palette { paper, ink, muted, grid, train, val, uar } = ground.palette();
        let (inset, scheme) = match ground {
            Ground::Light => ("#f3f5f8", "light"),
            Ground::Dark => ("#20262e", "dark"),
        };
        let rules = format!(
            ":root{{color-scheme:{scheme};--paper:{paper};--ink:{ink};--muted:{muted};--grid:{grid};--inset:{inset};\
             --link:{train};--warn:{val};--good:{uar}}}{}",
            ground.rules()
        );
        let _ = match query {
            "" => write!(css, "{rules}"),
            query => write!(css, "{query}{{{rules}}}"),
        };
    }
    css.push_str(STYLE);
    // Raw text of a style element: a browser ends it at "</", an XML reader takes "<" and "&" for markup.
    css.replace(['<', '&'], "")
}
