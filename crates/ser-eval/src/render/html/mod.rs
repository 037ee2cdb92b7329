//! The report as one page for a browser: no script, nothing fetched, and a policy in it that forbids both.
//!
//! Every text that comes from a corpus, a file name or a checkpoint passes through `escape` or `name`.

mod markup;
mod recordings;
mod sections;

use std::fmt::Write;
use std::path::Path;

use ser_core::Result;
use ser_core::text::escape;

use crate::render::svg::colour::{Ground, Palette};
use crate::render::html::recordings::Recordings;
use crate::evaluation::{Evaluation, Prediction, RunRecord, wrong_predictions};

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

/// The page: the headline with what the split makes of it, the audit, confusion matrix, classes, curves, calibration, the
/// most confident mistakes, and how to reproduce it.
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

    let mut body = String::new();
    sections::head(&mut body, evaluation, run);
    sections::split(&mut body, evaluation, run);
    sections::confusion(&mut body, evaluation);
    sections::classes(&mut body, evaluation);
    sections::training(&mut body, evaluation, run);
    sections::calibration(&mut body, evaluation);
    sections::errors(&mut body, shown, wrong.len(), &mut recordings);
    sections::reproduction(&mut body, evaluation, run);
    sections::definitions(&mut body, evaluation);

    let provenance = &evaluation.provenance;
    let title = format!("UAR {:.3} on {} · ser", evaluation.uar, provenance.protocol);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src {}; base-uri 'none'; form-action 'none'",
        recordings.media_sources()
    );
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <meta name=\"generator\" content=\"ser {version}\"/>\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        title = escape(&title),
        style = style(),
    ))
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
