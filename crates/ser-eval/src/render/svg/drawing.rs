//! Elements of SVG, written one after the other.

use std::fmt::Write;

use ser_core::text::{columns, escape};

/// Width of a column of text, for each unit of its size: that of a wide letter, so that no label is cut.
const COLUMN: f64 = 0.62;

/// Where text stands in relation to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing in the making.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) body: String,
}

impl Drawing {
    pub(super) fn rect(&mut self, class: &str, [x, y, w, h]: [f64; 4], more: &str) {
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{more}/>",
            number(x),
            number(y),
            number(w),
            number(h)
        );
    }

    pub(super) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2], more: &str) {
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{more}/>",
            number(from[0]),
            number(from[1]),
            number(to[0]),
            number(to[1])
        );
    }

    pub(super) fn polyline(&mut self, class: &str, points: &[[f64; 2]], more: &str) {
        let points: Vec<String> =
            points.iter().map(|&[x, y]| format!("{},{}", number(x), number(y))).collect();
        let _ = write!(self.body, "<polyline class=\"{class}\" points=\"{}\"{more}/>", points.join(" "));
    }

    /// A closed shape.
    pub(super) fn polygon(&mut self, class: &str, points: &[[f64; 2]], more: &str) {
        let points: Vec<String> =
            points.iter().map(|&[x, y]| format!("{},{}", number(x), number(y))).collect();
        let _ = write!(self.body, "<polygon class=\"{class}\" points=\"{}\"{more}/>", points.join(" "));
    }

    pub(super) fn circle(&mut self, class: &str, [x, y]: [f64; 2], r: f64) {
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            number(x),
            number(y),
            number(r)
        );
    }

    /// `text`, which may be anything, with its baseline at the point.
    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], size: f64, anchor: Anchor, text: &str) {
        self.turned_text(class, [x, y], size, anchor, 0.0, text);
    }

    /// Likewise, turned about the point by `degrees` clockwise.
    pub(super) fn turned_text(
        &mut self,
        class: &str,
        [x, y]: [f64; 2],
        size: f64,
        anchor: Anchor,
        degrees: f64,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (number(x), number(y));
        let turn = match degrees {
            0.0 => String::new(),
            degrees => format!(" transform=\"rotate({} {x} {y})\"", number(degrees)),
        };
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\"{turn}>{}</text>",
            number(size),
            escape(text)
        );
    }

    /// What pointing at `element`s shows.
    pub(super) fn titled(&mut self, title: &str, element: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g><title>{}</title>", escape(title));
        element(self);
        self.body.push_str("</g>");
    }
}

/// Room that `text` takes at `size`, at most.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    columns(text) as f64 * COLUMN * size
}

/// A coordinate to a hundredth, without needless zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
