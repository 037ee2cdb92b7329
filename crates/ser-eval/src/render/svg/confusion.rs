//! The confusion matrix as a picture.

use ser_core::text::{cut, printable, thousands};

use crate::evaluation::Evaluation;
use crate::render::svg::Plot;
use crate::render::svg::colour::STEPS;
use crate::render::svg::drawing;
use crate::render::svg::drawing::{Anchor, Drawing, text_width};

/// Above this many classes cells are too small to be seen, and there is no picture.
pub(crate) const MAX_CLASSES: usize = 40;
/// Above this many, a cell has no room for numbers.
const MAX_NUMBERED: usize = 20;
/// Columns of a label, at most.
const LABEL_COLUMNS: usize = 22;
const LABEL_SIZE: f64 = 13.0;
const GAP: f64 = 2.0;

/// Counts and, for each true class, the share of its utterances that were predicted as each class. None if there are
/// too many classes to draw.
pub(super) fn confusion_matrix(evaluation: &Evaluation) -> Option<Plot> {
    let labels: Vec<String> =
        evaluation.labels.iter().map(|label| cut(&printable(label), LABEL_COLUMNS).into_owned()).collect();
    if labels.len() > MAX_CLASSES {
        return None;
    }
    let grid = Grid::of(&labels);
    let Grid { left, top, size: [grid_w, grid_h], .. } = grid;
    let mut d = Drawing::default();
    grid.draw_labels(&mut d, &labels);
    grid.draw_cells(&mut d, evaluation);
    let middle = top + grid_h / 2.0;
    d.turned_text("muted", [18.0, middle], LABEL_SIZE, Anchor::Middle, -90.0, "true class");
    let below = top + grid_h + 24.0;
    d.text("muted", [left + grid_w / 2.0, below], LABEL_SIZE, Anchor::Middle, "predicted class");
    key(&mut d, left, below + 20.0, grid_w.clamp(160.0, 260.0));

    let width = left + grid_w + grid.overhang.max(16.0);
    Some(Plot {
        name: "confusion-matrix",
        title: "Confusion matrix".to_owned(),
        description: description(evaluation),
        width: width.max(left + 300.0),
        height: top + grid_h + 92.0,
        body: d.body,
    })
}

/// Where the cells and the labels around them lie.
struct Grid {
    left: f64,
    top: f64,
    /// Of all cells together.
    size: [f64; 2],
    /// Of a cell and the gap after it.
    cell: [f64; 2],
    /// By how much the labels of the columns are turned, in degrees; none where they are level.
    turned: Option<f64>,
    /// By how much the last of them reaches beyond its column.
    overhang: f64,
    /// Whether a cell has room for numbers.
    is_numbered: bool,
}

impl Grid {
    fn of(labels: &[String]) -> Self {
        let n = labels.len();
        let cell = match n {
            0..=8 => [66.0, 50.0],
            9..=MAX_NUMBERED => [50.0, 40.0],
            _ => [20.0, 20.0],
        };
        let longest = labels.iter().map(|label| text_width(label, LABEL_SIZE)).fold(0.0, f64::max);
        let is_numbered = n <= MAX_NUMBERED;
        // Narrow columns have room for upright labels alone; a slanting one reaches out to the right of its column.
        let degrees: f64 = if is_numbered { -40.0 } else { -90.0 };
        let (sin, cos) = degrees.abs().to_radians().sin_cos();
        let turned = (longest > cell[0] - 6.0).then_some(degrees);
        let overhang = (longest * cos - cell[0] / 2.0).max(0.0);
        Self {
            left: 34.0 + longest + 10.0,
            top: if turned.is_some() { 12.0 + longest * sin + 12.0 } else { 34.0 },
            size: cell.map(|size| n as f64 * size),
            cell,
            turned,
            overhang: if turned.is_some() { overhang } else { 0.0 },
            is_numbered,
        }
    }

    /// The labels of the rows and of the columns.
    fn draw_labels(&self, d: &mut Drawing, labels: &[String]) {
        let &Self { left, top, cell: [cell_w, cell_h], .. } = self;
        for (i, label) in labels.iter().enumerate() {
            let y = top + (i as f64 + 0.5) * cell_h + LABEL_SIZE * 0.36;
            d.text("label", [left - 10.0, y], LABEL_SIZE, Anchor::End, label);
            let x = left + (i as f64 + 0.5) * cell_w;
            match self.turned {
                Some(degrees) => {
                    let x = if degrees == -90.0 { x + LABEL_SIZE * 0.36 } else { x - 2.0 };
                    d.turned_text("label", [x, top - 10.0], LABEL_SIZE, Anchor::Start, degrees, label);
                }
                None => d.text("label", [x, top - 10.0], LABEL_SIZE, Anchor::Middle, label),
            }
        }
    }

    fn draw_cells(&self, d: &mut Drawing, evaluation: &Evaluation) {
        let &Self { left, top, cell: [cell_w, cell_h], .. } = self;
        for (truth, row) in evaluation.confusion_matrix.rows().enumerate() {
            let support: u64 = row.iter().sum();
            for (predicted, &count) in row.iter().enumerate() {
                let cell = Cell {
                    place: [left + predicted as f64 * cell_w, top + truth as f64 * cell_h],
                    size: [cell_w - GAP, cell_h - GAP],
                    count,
                    support,
                    on_diagonal: truth == predicted,
                };
                let about = format!(
                    "{} predicted as {}: {} of {}",
                    evaluation.labels[truth],
                    evaluation.labels[predicted],
                    thousands(count),
                    thousands(support)
                );
                d.titled(&about, |d| cell.draw(d, self.is_numbered));
            }
        }
    }
}

struct Cell {
    place: [f64; 2],
    size: [f64; 2],
    count: u64,
    /// Of the row.
    support: u64,
    on_diagonal: bool,
}

impl Cell {
    fn draw(&self, d: &mut Drawing, numbered: bool) {
        let share = if self.support == 0 { 0.0 } else { self.count as f64 / self.support as f64 };
        let step = step_of(share, self.count);
        let ([x, y], [w, h]) = (self.place, self.size);
        d.rect(&format!("s{step}"), [x, y, w, h], " rx=\"3\"");
        if !numbered || self.support == 0 {
            return;
        }
        let (middle, class) = (x + w / 2.0, format!("i{step}"));
        if self.count == 0 {
            d.text(
                if self.on_diagonal { &class } else { "muted" },
                [middle, y + h / 2.0 + 4.0],
                12.0,
                Anchor::Middle,
                "0",
            );
            return;
        }
        let count = self.count.to_string();
        let size = (w - 6.0).min(15.0 * drawing::text_width("0000", 1.0)) / drawing::text_width(&count, 1.0);
        d.text(&class, [middle, y + h / 2.0 - 1.0], size.clamp(7.0, 15.0), Anchor::Middle, &count);
        d.text(&class, [middle, y + h / 2.0 + 14.0], 11.0, Anchor::Middle, &percent(share));
    }
}

/// The step of the ramp: a share above 0 never looks like 0.
fn step_of(share: f64, count: u64) -> usize {
    let step = (share * STEPS as f64).round() as usize;
    if count > 0 { step.max(1) } else { step }
}

/// A share as per cent: "100 %" and "0 %" only where that is exact.
pub(crate) fn percent(share: f64) -> String {
    match share {
        s if s >= 1.0 => "100 %".to_owned(),
        s if s <= 0.0 => "0 %".to_owned(),
        s if s > 0.999 => "99.9 %".to_owned(),
        s if s < 0.001 => "<0.1 %".to_owned(),
        s => format!("{:.1} %", s * 100.0),
    }
}

/// What the colours mean.
fn key(d: &mut Drawing, left: f64, top: f64, width: f64) {
    let step_width = width / (STEPS + 1) as f64;
    for step in 0..=STEPS {
        // Slightly wider than its cell, so that no background shows in between.
        d.rect(&format!("s{step}"), [left + step as f64 * step_width, top, step_width + 0.3, 10.0], "");
    }
    d.rect("frame", [left, top, width, 10.0], " stroke-width=\"0.5\"");
    for (at, anchor, text) in
        [(0.0, Anchor::Start, "0 %"), (0.5, Anchor::Middle, "of the true class"), (1.0, Anchor::End, "100 %")]
    {
        d.text("muted", [left + at * width, top + 25.0], 11.0, anchor, text);
    }
}

fn description(evaluation: &Evaluation) -> String {
    let mut confusions: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in evaluation.confusion_matrix.rows().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            if truth != predicted && count > 0 {
                confusions.push((count, truth, predicted));
            }
        }
    }
    confusions.sort_by_key(|&(count, truth, predicted)| (std::cmp::Reverse(count), truth, predicted));
    let mut text = format!(
        "Rows are the true classes, columns the predicted ones; {} of {} utterances lie on the diagonal.",
        thousands(evaluation.n_correct),
        thousands(evaluation.n_utterances)
    );
    if !confusions.is_empty() {
        let named = confusions.iter().take(3).map(|&(count, truth, predicted)| {
            format!("{} as {} ({count})", evaluation.labels[truth], evaluation.labels[predicted])
        });
        text += &format!(" Most often confused: {}.", named.collect::<Vec<_>>().join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_to_all_or_nothing_only_where_it_is() {
        assert_eq!(
            [0.0, 1e-9, 0.5, 0.123456, 0.99999, 1.0].map(percent),
            ["0 %", "<0.1 %", "50.0 %", "12.3 %", "99.9 %", "100 %"]
        );
        assert_eq!([step_of(0.0, 0), step_of(1e-6, 1), step_of(1.0, 9)], [0, 1, STEPS]);
    }
}
