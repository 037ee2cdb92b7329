//! The reliability diagram: accuracy over confidence, and how many answers were how confident.

use ser_core::text::thousands;

use crate::evaluation::Evaluation;
use crate::metrics::ReliabilityBin;
use crate::render::svg::drawing::{Anchor, Drawing};
use crate::render::svg::scale::Scale;
use crate::render::svg::{Plot, axes};

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 470.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 484.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 320.0;
/// The histogram below.
const COUNTS_TOP: f64 = 344.0;
const COUNTS_BOTTOM: f64 = 412.0;

/// As in Guo et al. 2017, figure 1: a bar as high as the accuracy of its bin, the gap to the mean confidence, the
/// diagonal of a calibrated model; below it the histogram of confidences.
pub(super) fn reliability_diagram(evaluation: &Evaluation) -> Plot {
    let calibration = &evaluation.calibration;
    let (x, y) = (Scale::unit(LEFT, RIGHT), Scale::unit(BOTTOM, TOP));
    let mut d = Drawing::default();

    axes::across(&mut d, &y, [LEFT, RIGHT]);
    let most = calibration.bins.iter().map(|bin| bin.n_utterances).max().unwrap_or(0).max(1);
    calibration.bins.iter().for_each(|bin| draw_bin(&mut d, bin, most, [&x, &y]));
    d.line("diagonal", [LEFT, BOTTOM], [RIGHT, TOP], " stroke-width=\"1.5\" stroke-dasharray=\"5 4\"");
    d.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM], " stroke-width=\"1\"");
    d.line("axis", [LEFT, COUNTS_BOTTOM], [RIGHT, COUNTS_BOTTOM], " stroke-width=\"1\"");
    axes::below(&mut d, &x, COUNTS_BOTTOM);
    name_axes(&mut d, most);
    key(&mut d);

    Plot {
        name: "reliability-diagram",
        title: "Reliability diagram".to_owned(),
        description: format!(
            "Accuracy of answers against their stated confidence in {} bins: mean confidence {:.4}, accuracy {:.4}, \
             expected calibration error {:.4}, largest difference of a bin {:.4}.",
            calibration.bins.len(),
            calibration.mean_confidence,
            evaluation.accuracy,
            calibration.ece,
            calibration.mce
        ),
        width: WIDTH,
        height: HEIGHT,
        body: d.body,
    }
}

/// The bar of a bin with its gap, and its share of the histogram, in which `most` answers reach to the top.
fn draw_bin(d: &mut Drawing, bin: &ReliabilityBin, most: u64, [x, y]: [&Scale; 2]) {
    let (Some(accuracy), Some(confidence)) = (bin.accuracy, bin.mean_confidence) else { return };
    let (from, to) = (x.at(bin.lower) + 1.0, x.at(bin.upper) - 1.0);
    let about = format!(
        "confidence {:.2} to {:.2}: {} answers, {:.1} % right, stated {:.1} %",
        bin.lower,
        bin.upper,
        thousands(bin.n_utterances),
        accuracy * 100.0,
        confidence * 100.0
    );
    d.titled(&about, |d| {
        let height = BOTTOM - y.at(accuracy);
        d.rect("area train", [from, BOTTOM - height, to - from, height], "");
        let (upper, lower) = (y.at(accuracy.max(confidence)), y.at(accuracy.min(confidence)));
        d.rect("area val", [from, upper, to - from, lower - upper], " fill-opacity=\"0.35\"");
        d.rect("outline val", [from + 0.5, upper, to - from - 1.0, lower - upper], " stroke-width=\"1\"");
        let share = bin.n_utterances as f64 / most as f64;
        // Anything above 0 is visible.
        let height = ((COUNTS_BOTTOM - COUNTS_TOP) * share).max(1.5);
        d.rect("area train", [from, COUNTS_BOTTOM - height, to - from, height], "");
    });
}

fn name_axes(d: &mut Drawing, most: u64) {
    d.text("muted", [LEFT - 8.0, COUNTS_TOP + 8.0], 12.0, Anchor::End, &thousands(most));
    d.text("muted", [LEFT - 8.0, COUNTS_BOTTOM], 12.0, Anchor::End, "0");
    let middle = (LEFT + RIGHT) / 2.0;
    d.text(
        "muted",
        [middle, COUNTS_BOTTOM + 40.0],
        12.0,
        Anchor::Middle,
        "confidence: probability of the answer given",
    );
    d.turned_text("muted", [14.0, (TOP + BOTTOM) / 2.0], 12.0, Anchor::Middle, -90.0, "accuracy");
    d.turned_text(
        "muted",
        [14.0, (COUNTS_TOP + COUNTS_BOTTOM) / 2.0],
        12.0,
        Anchor::Middle,
        -90.0,
        "answers",
    );
}

fn key(d: &mut Drawing) {
    d.rect("area train", [LEFT, 7.0, 16.0, 10.0], "");
    d.text("key", [LEFT + 22.0, 16.0], 12.0, Anchor::Start, "accuracy");
    d.rect("area val", [LEFT + 96.0, 7.0, 16.0, 10.0], " fill-opacity=\"0.35\"");
    d.rect("outline val", [LEFT + 96.5, 7.5, 15.0, 9.0], " stroke-width=\"1\"");
    d.text("key", [LEFT + 118.0, 16.0], 12.0, Anchor::Start, "gap to stated confidence");
    d.line(
        "diagonal",
        [LEFT + 294.0, 12.0],
        [LEFT + 320.0, 12.0],
        " stroke-width=\"1.5\" stroke-dasharray=\"5 4\"",
    );
    d.text("key", [LEFT + 326.0, 16.0], 12.0, Anchor::Start, "calibrated");
}
