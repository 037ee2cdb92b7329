//! Figures: the confusion matrix, the curves of the training, the reliability diagram.
//!
//! Each is drawn once, as SVG whose shapes carry classes instead of colours. A page brings the colours of both its
//! grounds; a file brings those of a white one.

mod axes;
pub(crate) mod colour;
mod confusion;
mod curves;
mod drawing;
mod reliability;
mod scale;

use ser_core::text::escape;

use crate::evaluation::{Evaluation, History, RunRecord};
use crate::render::svg::colour::Ground;

/// Height of the title above a figure in a file.
const TITLE_HEIGHT: f64 = 40.0;
/// Families that text is set in; the first is the one that PNG files are drawn with.
const FONT_FAMILIES: &str = "'DejaVu Sans','Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Name of its files, without an ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// A text alternative.
    pub description: String,
    /// Width, CSS pixels.
    pub width: f64,
    /// Height, CSS pixels, without a title.
    pub height: f64,
    /// Elements of SVG.
    body: String,
}

impl Plot {
    /// The figure as an element of a page that has the colours of [`Ground::rules`].
    pub(crate) fn inline(&self) -> String {
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
             aria-labelledby=\"{name}-title {name}-desc\"><title id=\"{name}-title\">{title}</title>\
             <desc id=\"{name}-desc\">{desc}</desc>{body}</svg>",
            class = if self.width > 520.0 { "fig wide" } else { "fig" },
            w = self.width,
            h = self.height,
            name = self.name,
            title = escape(&self.title),
            desc = escape(&self.description),
            body = self.body
        )
    }

    /// The figure as an SVG file of its own, on white.
    pub fn to_svg(&self) -> String {
        let (w, h) = (self.width, self.height + TITLE_HEIGHT);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
             height=\"{h}\" role=\"img\" font-family=\"{FONT_FAMILIES}\">\n<title>{title}</title>\n\
             <desc>{desc}</desc>\n<style>{rules}</style>\n<rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>\n\
             <text x=\"16\" y=\"28\" font-size=\"17\" font-weight=\"600\">{title}</text>\n\
             <g transform=\"translate(0 {TITLE_HEIGHT})\">{body}</g>\n</svg>\n",
            title = escape(&self.title),
            desc = escape(&self.description),
            rules = Ground::Light.rules(),
            body = self.body
        )
    }
}

/// All figures of an evaluation: the confusion matrix, the curves where there is a history, the reliability diagram.
pub fn figures(evaluation: &Evaluation, run: Option<&RunRecord>) -> Vec<Plot> {
    let mut figures = Vec::new();
    figures.extend(confusion::confusion_matrix(evaluation));
    if let Some(History::Epochs(epochs)) = run.map(|run| &run.history) {
        let kept = evaluation.provenance.epoch;
        figures.push(curves::loss(epochs, kept));
        figures.push(curves::accuracy(epochs, kept));
    }
    figures.push(reliability::reliability_diagram(evaluation));
    figures
}
