//! The table over runs as text.

use ser_core::text::{columns, cut, left, printable, right, thousands, wrap};

use crate::render::cells::{between, drawn, mean, name, recall, remarks_of};
use crate::runs::{MetricSummary, ProtocolRow, RecipeTable, RunsReport};

/// The narrowest useful width of a table, in columns.
const MIN_WIDTH: usize = 80;
/// "0.9981 ± 0.0012" or "0.9943 to 1.0000", and two spaces before it.
const FIGURE_WIDTH: usize = 18;
/// Width of "  1,399 utterances", or what the second line has instead, with the number of runs.
const MIN_HEAD: usize = 25;

/// What prediction sets did, where all runs of a row are calibrated.
fn sets(table: &RecipeTable, width: usize) -> String {
    let rows: Vec<_> = table.rows.iter().filter_map(|row| Some((name(row), row.sets?))).collect();
    let longest = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    let head = longest.clamp(MIN_HEAD, width / 2);
    let mut text = format!(
        "Prediction sets, mean over seeds\n\n{}  promised  coverage  mean size  one class\n",
        left("", head)
    );
    for (name, sets) in &rows {
        text += &format!(
            "{}  {:>8}  {:>8.4}  {:>9.4}  {:>9.4}\n",
            left(&cut(name, head), head),
            sets.coverage,
            sets.measured,
            sets.mean_size,
            sets.single_share
        );
    }
    if rows.is_empty() { String::new() } else { text + "\n" }
}

/// The tables of `report` for a terminal of `width` columns.
pub fn runs(report: &RunsReport, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let mut page = String::new();
    for table in &report.recipes {
        if !table.settings.is_empty() {
            page += &wrap(&printable(&format!("Recipe: {}", table.settings.join(", "))), width, 8);
            page += "\n\n";
        }
        page += &figures(table, width);
        page += &format!("\n{}\n\n", wrap(&meaning(report), width, 0));
        page += &remarks(table, width);
        if let Some(gap) = &table.gap {
            page += &format!("\n{}\n", wrap(&printable(&gap.in_words), width, 0));
        }
        page += "\nRecall of each class, mean over seeds; * is the lowest of its column\n\n";
        page += &recalls(table, width);
        page.push('\n');
        page += &sets(table, width);
    }
    for note in &report.notes {
        page += &format!("{}\n\n", wrap(&printable(&format!("Note: {note}.")), width, 6));
    }
    if !report.unusable.is_empty() {
        page += "Not used\n\n";
        for unusable in &report.unusable {
            page += &format!(
                "{}\n",
                wrap(&printable(&format!("{}: {}", unusable.run, unusable.reason)), width, 4)
            );
        }
        page.push('\n');
    }
    page + &printable(&format!("{} runs in {}", report.runs.len(), report.folder)) + "\n"
}

fn meaning(report: &RunsReport) -> String {
    format!(
        "First line: mean ± standard deviation over seeds (n - 1). Second line: 95 % interval of that mean (percentile \
         bootstrap, {} resamples of what the line names, every seed scored on the same ones).",
        thousands(u64::from(report.resamples))
    )
}

fn figures(table: &RecipeTable, width: usize) -> String {
    let names: Vec<String> = table.rows.iter().map(name).collect();
    let longest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let head = (longest + 6).clamp(MIN_HEAD, width.saturating_sub(3 * FIGURE_WIDTH));
    let mut text = format!("{}{:>6}", left("protocol", head - 6), "runs");
    for metric in ["accuracy", "UAR", "macro-F1"] {
        text += &format!("  {}", left(metric, FIGURE_WIDTH - 2));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    for (row, name) in table.rows.iter().zip(&names) {
        let figures = [row.accuracy, row.uar, row.macro_f1];
        let mut line = |head: String, cell: &dyn Fn(&MetricSummary) -> String| {
            let cells: String =
                figures.iter().map(|figure| format!("  {}", left(&cell(figure), FIGURE_WIDTH - 2))).collect();
            text += format!("{head}{cells}").trim_end();
            text.push('\n');
        };
        line(format!("{}{:>6}", left(&cut(name, head - 6), head - 6), row.seeds.len()), &mean);
        line(left(&cut(&format!("  {}", drawn(row)), head), head), &between);
    }
    text
}

fn remarks(table: &RecipeTable, width: usize) -> String {
    let line = |remark: String| format!("{}\n", wrap(&printable(&remark), width, 4));
    remarks_of(table).into_iter().map(line).collect()
}

fn recalls(table: &RecipeTable, width: usize) -> String {
    let labels: Vec<String> = table.labels.iter().map(|label| printable(label).into_owned()).collect();
    let head = labels.iter().map(|label| columns(label)).max().unwrap_or(0).min(width / 3);
    let column = |row: &ProtocolRow| columns(&name(row)).max(7) + 2;
    let mut text = String::new();
    let mut rest = table.rows.as_slice();
    while !rest.is_empty() {
        let mut used = head;
        let fit = rest.iter().take_while(|row| {
            used += column(row);
            used <= width
        });
        let (block, after) = rest.split_at(fit.count().clamp(1, rest.len()));
        let line = |head: String, cells: Vec<String>| {
            format!("{head}{}", cells.concat()).trim_end().to_owned() + "\n"
        };
        text += &line(" ".repeat(head), block.iter().map(|row| right(&name(row), column(row))).collect());
        for (class, label) in labels.iter().enumerate() {
            let cell = |row: &ProtocolRow| {
                // A column's star is where the others have a space.
                right(&recall(row, class), column(row))
            };
            text += &line(left(&cut(label, head), head), block.iter().map(cell).collect());
        }
        rest = after;
        if !rest.is_empty() {
            text.push('\n');
        }
    }
    text
}
