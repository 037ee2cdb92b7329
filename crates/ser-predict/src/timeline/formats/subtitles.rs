//! Subtitles: WebVTT (W3C) and SubRip.

use std::fmt::Write;

use super::on_one_line;
use crate::timeline::{Passage, Timeline};

pub(super) fn web_vtt(timeline: &Timeline) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for passage in &timeline.passages {
        let shown = shown(timeline, passage).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (start, end) = (time(passage.start_s, '.'), time(passage.end_s, '.'));
        let _ = write!(text, "\n{start} --> {end}\n{shown}\n");
    }
    text
}

pub(super) fn sub_rip(timeline: &Timeline) -> String {
    let mut text = String::new();
    for (passage, number) in timeline.passages.iter().zip(1..) {
        let shown = shown(timeline, passage);
        let (start, end) = (time(passage.start_s, ','), time(passage.end_s, ','));
        let _ = write!(text, "{number}\n{start} --> {end}\n{shown}\n\n");
    }
    text
}

fn shown(timeline: &Timeline, passage: &Passage) -> String {
    let probability = passage.probabilities[passage.predicted];
    format!("{} {probability:.2}", on_one_line(&timeline.shown(passage)))
}

/// `01:02:03.456`.
fn time(seconds: f64, decimal: char) -> String {
    let ms = (seconds * 1000.0).round() as u64;
    let (hours, minutes, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{s:02}{decimal}{:03}", ms % 1000)
}
