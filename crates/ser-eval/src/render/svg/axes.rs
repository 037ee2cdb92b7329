//! What is written beside axes.

use crate::render::svg::drawing::{Anchor, Drawing};
use crate::render::svg::scale::{Scale, tick};

/// A line from `left` to `right` at each tick of an upright axis, with its value beside it.
pub(super) fn across(d: &mut Drawing, y: &Scale, [left, right]: [f64; 2]) {
    for &value in &y.ticks {
        let at = y.at(value);
        d.line("grid", [left, at], [right, at], " stroke-width=\"1\"");
        d.text("muted", [left - 8.0, at + 4.0], 12.0, Anchor::End, &tick(value));
    }
}

/// The ticks of a level axis that lies at `y`, with their values below.
pub(super) fn below(d: &mut Drawing, x: &Scale, y: f64) {
    for &value in &x.ticks {
        let at = x.at(value);
        d.line("axis", [at, y], [at, y + 5.0], " stroke-width=\"1\"");
        d.text("muted", [at, y + 19.0], 12.0, Anchor::Middle, &tick(value));
    }
}
