//! A TextGrid of Praat with one tier of intervals, in its long text format. Intervals without speech are empty.

use std::fmt::Write;

use super::on_one_line;
use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> String {
    let mut intervals: Vec<(f64, f64, String)> = Vec::new();
    let mut until = 0.0;
    for passage in &timeline.passages {
        if passage.start_s > until {
            intervals.push((until, passage.start_s, String::new()));
        }
        intervals.push((passage.start_s, passage.end_s, on_one_line(&timeline.shown(passage))));
        until = passage.end_s;
    }
    if timeline.seconds > until || intervals.is_empty() {
        intervals.push((until, timeline.seconds, String::new()));
    }
    let end = timeline.seconds.max(until);
    let mut text = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = {end}\ntiers? <exists>\nsize = 1\n\
         item []:\n    item [1]:\n        class = \"IntervalTier\"\n        name = \"emotion\"\n        xmin = 0\n        \
         xmax = {end}\n        intervals: size = {}\n",
        intervals.len()
    );
    for ((start, end, label), number) in intervals.iter().zip(1..) {
        let label = label.replace('"', "\"\"");
        let _ = write!(
            text,
            "        intervals [{number}]:\n            xmin = {start}\n            xmax = {end}\n            text = \
             \"{label}\"\n"
        );
    }
    text
}
