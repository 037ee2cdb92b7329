//! Loss and accuracy over the epochs of a training.

use ser_model::EpochRecord;

use crate::render::svg::drawing::{Anchor, Drawing, text_width};
use crate::render::svg::scale::Scale;
use crate::render::svg::{Plot, axes};

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 484.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 278.0;
/// With more epochs than this, marks would touch.
const MAX_MARKED: usize = 40;

/// A line of a figure.
struct Series {
    /// Its class, which says its colour and its mark.
    class: &'static str,
    name: &'static str,
    value: fn(&EpochRecord) -> f64,
}

/// Cross-entropy on the training and validation side. `kept` is the epoch of the checkpoint.
pub(super) fn loss(epochs: &[EpochRecord], kept: u64) -> Plot {
    let series = [
        Series { class: "train", name: "training", value: |epoch| epoch.train_loss },
        Series { class: "val", name: "validation", value: |epoch| epoch.val_loss },
    ];
    let values = series.iter().flat_map(|series| epochs.iter().map(series.value));
    let scale = Scale::about(values, BOTTOM, TOP);
    let axis =
        if scale.is_logarithmic() { "cross-entropy, nats (logarithmic)" } else { "cross-entropy, nats" };
    draw("loss-curve", "Loss per epoch", axis, epochs, kept, &series, scale)
}

/// Accuracy on both sides, and UAR in validation.
pub(super) fn accuracy(epochs: &[EpochRecord], kept: u64) -> Plot {
    let series = [
        Series { class: "train", name: "training accuracy", value: |epoch| epoch.train_accuracy },
        Series { class: "val", name: "validation accuracy", value: |epoch| epoch.val_accuracy },
        Series { class: "uar", name: "validation UAR", value: |epoch| epoch.val_uar },
    ];
    draw("accuracy-curve", "Accuracy per epoch", "share", epochs, kept, &series, Scale::unit(BOTTOM, TOP))
}

fn draw(
    name: &'static str,
    title: &str,
    axis: &str,
    epochs: &[EpochRecord],
    kept: u64,
    series: &[Series],
    y: Scale,
) -> Plot {
    let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1);
    let x = Scale::epochs(last, LEFT + 8.0, RIGHT - 8.0);
    let mut d = Drawing::default();

    axes::across(&mut d, &y, [LEFT, RIGHT]);
    d.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM], " stroke-width=\"1\"");
    axes::below(&mut d, &x, BOTTOM);
    d.text("muted", [(LEFT + RIGHT) / 2.0, BOTTOM + 40.0], 12.0, Anchor::Middle, "epoch");
    d.turned_text("muted", [14.0, (TOP + BOTTOM) / 2.0], 12.0, Anchor::Middle, -90.0, axis);

    if (1..=u64::from(last)).contains(&kept) {
        mark_kept(&mut d, &x, kept);
    }

    let mut key = LEFT - 8.0;
    for (number, series) in series.iter().enumerate() {
        let points: Vec<[f64; 2]> = (epochs.iter())
            .filter(|epoch| (series.value)(epoch).is_finite())
            .map(|epoch| [x.at(f64::from(epoch.epoch)), y.at((series.value)(epoch))])
            .collect();
        series.draw(&mut d, number, &points, key);
        key += 31.0 + text_width(series.name, 12.0) * 0.9 + 8.0;
    }

    let described = series.iter().filter_map(|series| {
        let (first, last) = (epochs.first()?, epochs.last()?);
        let (from, to) = ((series.value)(first), (series.value)(last));
        Some(format!("{} from {from:.4} to {to:.4}", series.name))
    });
    Plot {
        name,
        title: title.to_owned(),
        description: format!(
            "{} epochs: {}. The checkpoint is of epoch {kept}.",
            epochs.len(),
            described.collect::<Vec<_>>().join("; ")
        ),
        width: WIDTH,
        height: HEIGHT,
        body: d.body,
    }
}

/// A line at the epoch of the checkpoint.
fn mark_kept(d: &mut Drawing, x: &Scale, kept: u64) {
    let at = x.at(kept as f64);
    d.line("axis", [at, TOP - 6.0], [at, BOTTOM], " stroke-width=\"1\" stroke-dasharray=\"2 3\"");
    let text = format!("epoch {kept} kept");
    let anchor = if at > (LEFT + RIGHT) / 2.0 { Anchor::End } else { Anchor::Start };
    d.text("muted", [at, TOP - 10.0], 11.0, anchor, &text);
}

impl Series {
    /// Draws it through `points`, as line `number` of the figure, and its key from `key` on.
    fn draw(&self, d: &mut Drawing, number: usize, points: &[[f64; 2]], key: f64) {
        let dash = ["", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\""][number.min(2)];
        let line = format!(" stroke-width=\"2\" stroke-linejoin=\"round\"{dash}");
        let class = format!("line {}", self.class);
        d.polyline(&class, points, &line);
        if points.len() <= MAX_MARKED {
            points.iter().for_each(|&point| mark(d, self.class, point));
        }
        d.line(&class, [key, 12.0], [key + 26.0, 12.0], &line);
        mark(d, self.class, [key + 13.0, 12.0]);
        d.text("key", [key + 32.0, 16.0], 12.0, Anchor::Start, self.name);
    }
}

/// A disc for training, a square for validation, a diamond for the UAR: told apart without their colours.
fn mark(d: &mut Drawing, class: &str, [x, y]: [f64; 2]) {
    let class = &format!("mark {class}");
    match class.as_str() {
        "mark train" => d.circle(class, [x, y], 3.6),
        "mark val" => d.rect(class, [x - 3.4, y - 3.4, 6.8, 6.8], ""),
        _ => d.polygon(class, &[[x, y - 4.6], [x + 4.6, y], [x, y + 4.6], [x - 4.6, y]], ""),
    }
}
