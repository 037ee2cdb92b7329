//! A picture of a timeline: the probability of every class along the recording, as areas on top of each other, and the
//! answers below.

use std::fmt::Write;

use ser_core::text::escape;

use crate::timeline::Timeline;

/// Sizes in CSS pixels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 48.0;
const AREA: f64 = 180.0;
const BAND: f64 = 22.0;
const LEGEND_ROW: f64 = 22.0;
const LEGEND_COLUMN: f64 = 150.0;

/// Colours that the colour-blind can tell apart (M. Okabe and K. Ito, "Color universal design", 2008), then lighter ones of
/// the same hues.
const COLOURS: [&str; 12] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#b8a900", "#7fb8d8",
    "#eaae7f", "#7fceb9", "#e5bcd3",
];

pub(super) fn write(timeline: &Timeline) -> String {
    Figure::of(timeline).svg()
}

/// A timeline, and how it is laid out.
struct Figure<'a> {
    timeline: &'a Timeline,
    seconds: f64,
    /// Labels beside each other in the legend.
    columns: usize,
    legend_top: f64,
    height: f64,
}

impl<'a> Figure<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let columns = ((WIDTH - LEFT - RIGHT) / LEGEND_COLUMN).floor().max(1.0) as usize;
        let legend_top = TOP + AREA + BAND + 52.0;
        let height = legend_top + LEGEND_ROW * timeline.labels.len().div_ceil(columns) as f64 + 8.0;
        Self { timeline, seconds: timeline.seconds.max(1e-3), columns, legend_top, height }
    }

    /// All of it.
    fn svg(&self) -> String {
        let mut body = String::new();
        self.draw_probabilities(&mut body);
        self.draw_passages(&mut body);
        draw_probability_axis(&mut body);
        self.draw_time_axis(&mut body);
        self.draw_legend(&mut body);
        let (title, height) = (escape(&self.timeline.recording), self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"'DejaVu Sans','Segoe UI',Roboto,Arial,sans-serif\" font-size=\"12\" fill=\"#1b1f24\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"26\" font-size=\"16\" font-weight=\"600\">{title}</text>\n{body}\n</svg>\n"
        )
    }

    /// Where the second `at` is.
    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at / self.seconds).clamp(0.0, 1.0)
    }

    /// The probabilities of every slot, on top of each other.
    fn draw_probabilities(&self, body: &mut String) {
        for slot in &self.timeline.slots {
            let (from, width) = (self.x(slot.start_s), self.x(slot.end_s) - self.x(slot.start_s));
            let mut y = TOP + AREA;
            for (class, probability) in slot.probabilities.iter().enumerate() {
                let tall = AREA * f64::from(probability.clamp(0.0, 1.0));
                y -= tall;
                let colour = colour(class);
                let _ = write!(
                    body,
                    "<rect x=\"{from:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{tall:.2}\" fill=\"{colour}\"/>"
                );
            }
        }
    }

    /// The answers, as a band below.
    fn draw_passages(&self, body: &mut String) {
        for passage in &self.timeline.passages {
            let (from, width) = (self.x(passage.start_s), self.x(passage.end_s) - self.x(passage.start_s));
            let (colour, top) = (colour(passage.predicted), TOP + AREA + 6.0);
            let title = escape(&format!(
                "{} from {:.2} to {:.2} s: {:.2}",
                self.timeline.shown(passage),
                passage.start_s,
                passage.end_s,
                passage.probabilities[passage.predicted]
            ));
            let _ = write!(
                body,
                "<rect x=\"{from:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"{BAND}\" rx=\"2\" fill=\"{colour}\">\
                 <title>{title}</title></rect>"
            );
        }
    }

    fn draw_time_axis(&self, body: &mut String) {
        let step = tick(self.seconds);
        for count in 0..=(self.seconds / step).floor() as u32 {
            let at = f64::from(count) * step;
            let _ = write!(
                body,
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                self.x(at),
                TOP + AREA + BAND + 26.0,
                clock(at, step)
            );
        }
    }

    fn draw_legend(&self, body: &mut String) {
        for (class, label) in self.timeline.labels.iter().enumerate() {
            let (column, row) = ((class % self.columns) as f64, (class / self.columns) as f64);
            let (left, top) = (LEFT + column * LEGEND_COLUMN, self.legend_top + row * LEGEND_ROW);
            let _ = write!(
                body,
                "<rect x=\"{left}\" y=\"{:.0}\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{top}\">{}</text>",
                top - 11.0,
                colour(class),
                left + 18.0,
                escape(label)
            );
        }
    }
}

fn colour(class: usize) -> &'static str {
    COLOURS[class % COLOURS.len()]
}

/// Lines at probabilities of 0, a half and 1.
fn draw_probability_axis(body: &mut String) {
    for share in [0.0, 0.5, 1.0] {
        let y = TOP + AREA * (1.0 - share);
        let _ = write!(
            body,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>\
             <line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#00000022\"/>",
            LEFT - 6.0,
            y + 4.0,
            WIDTH - RIGHT
        );
    }
}

/// Seconds from one mark of the axis to the next: about ten of them.
fn tick(seconds: f64) -> f64 {
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0];
    steps.into_iter().find(|step| seconds / step <= 12.0).unwrap_or(3600.0)
}

/// `1:05`, or `0.5` where marks are less than a second apart.
fn clock(at: f64, step: f64) -> String {
    if step < 1.0 {
        return format!("{at:.1}");
    }
    let whole = at.round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}
