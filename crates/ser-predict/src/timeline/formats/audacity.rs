//! Labels as Audacity imports them (File, Import, Labels): start, end and text between tabs.

use std::fmt::Write;

use super::on_one_line;
use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> String {
    let mut text = String::new();
    for passage in &timeline.passages {
        let shown = on_one_line(&timeline.shown(passage));
        let probability = passage.probabilities[passage.predicted];
        let _ = writeln!(text, "{:.6}\t{:.6}\t{shown} {probability:.2}", passage.start_s, passage.end_s);
    }
    text
}
