//! Cells of the table over runs that are the same in every rendering.

use ser_core::text::{printable, thousands};

use crate::runs::{MetricSummary, ProtocolRow, Recall, RecipeTable};

/// The protocol of a row, and which split of it.
pub(super) fn name(row: &ProtocolRow) -> String {
    match &row.split {
        Some(split) => printable(&format!("{} ({split})", row.protocol)).into_owned(),
        None => printable(&row.protocol).into_owned(),
    }
}

/// What the second line of a row is about.
pub(super) fn drawn(row: &ProtocolRow) -> String {
    let n = thousands(row.resampled.n as u64);
    let unit = row.resampled.unit.name(row.resampled.n);
    if row.uar.range.is_some() { format!("range of {n} {unit}") } else { format!("{n} {unit}") }
}

/// "0.9981 ± 0.0012"
pub(super) fn mean(figure: &MetricSummary) -> String {
    match figure.deviation {
        Some(deviation) => format!("{:.4} ± {deviation:.4}", figure.mean),
        None => format!("{:.4}", figure.mean),
    }
}

/// "0.9943 to 1.0000"
pub(super) fn between(figure: &MetricSummary) -> String {
    let interval = figure.interval.map(|interval| [interval.lower, interval.upper]);
    interval.or(figure.range).map(|[low, high]| format!("{low:.4} to {high:.4}")).unwrap_or_default()
}

/// What each row's second line shows and does not; rows with the same remark are named together.
pub(super) fn remarks_of(table: &RecipeTable) -> Vec<String> {
    let mut remarks: Vec<(String, Vec<String>)> = Vec::new();
    for row in &table.rows {
        let notes: String = row.notes.iter().map(|note| format!("; {note}")).collect();
        let remark = format!("{}{notes}", row.resampled.in_words);
        match remarks.iter_mut().find(|(other, _)| *other == remark) {
            Some((_, names)) => names.push(name(row)),
            None => remarks.push((remark, vec![name(row)])),
        }
    }
    remarks.into_iter().map(|(remark, names)| format!("{}: {remark}.", names.join(", "))).collect()
}

/// The recall of a class, with a star after the lowest of the row.
pub(super) fn recall(row: &ProtocolRow, class: usize) -> String {
    let lowest = row.recall.iter().filter_map(|recall| recall.mean).fold(f64::INFINITY, f64::min);
    let highest = row.recall.iter().filter_map(|recall| recall.mean).fold(0.0, f64::max);
    match row.recall.get(class) {
        Some(Recall { mean: Some(mean), .. }) if *mean == lowest && lowest < highest => format!("{mean:.4}*"),
        Some(Recall { mean: Some(mean), .. }) => format!("{mean:.4} "),
        _ => "- ".to_owned(),
    }
}
