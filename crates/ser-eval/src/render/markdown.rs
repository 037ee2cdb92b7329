//! The table over runs as Markdown, for a paper or a page of results.

use ser_core::text::thousands;

use crate::metrics::SetCoverage;
use crate::render::cells::{between, drawn, mean, name, recall, remarks_of};
use crate::render::escape::md;
use crate::runs::{ProtocolRow, RecipeTable, RunsReport};

/// The tables of `report` as Markdown.
pub fn runs(report: &RunsReport) -> String {
    let mut text = String::new();
    for table in &report.recipes {
        if !table.settings.is_empty() {
            text += &format!("**{}**\n\n", md(&table.settings.join(", ")));
        }
        text += &figures(table);
        text += &format!(
            "\nMean ± standard deviation over seeds (n − 1); in brackets the 95 % interval of that mean: percentile \
             bootstrap, {} resamples, every seed scored on the same ones.\n\n",
            thousands(u64::from(report.resamples))
        );
        for remark in remarks_of(table) {
            text += &format!("- {}\n", md(&remark));
        }
        if let Some(gap) = &table.gap {
            text += &format!("\n{}\n", md(&gap.in_words));
        }
        text += "\nRecall of each class, mean over seeds; the lowest of each column in bold:\n\n";
        text += &recalls(table);
        text.push('\n');
        text += &sets(table);
    }
    for note in &report.notes {
        text += &format!("Note: {}.\n\n", md(note));
    }
    if !report.unusable.is_empty() {
        text += "Not used:\n\n";
        for unusable in &report.unusable {
            text += &format!("- {}\n", md(&format!("{}: {}", unusable.run, unusable.reason)));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn figures(table: &RecipeTable) -> String {
    let mut text = String::from(
        "| protocol | seeds | test utterances | accuracy | UAR | macro-F1 | resampled |\n\
         |---|---:|---:|---|---|---|---|\n",
    );
    for row in &table.rows {
        let figures = [row.accuracy, row.uar, row.macro_f1]
            .map(|figure| format!("{} [{}]", mean(&figure), between(&figure).replace(" to ", ", ")));
        let cells = [
            md(&name(row)),
            row.seeds.len().to_string(),
            thousands(row.n_utterances),
            figures.join(" | "),
            drawn(row),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

fn recalls(table: &RecipeTable) -> String {
    let heads: Vec<String> = table.rows.iter().map(|row| md(&name(row))).collect();
    let mut text = format!("| class | {} |\n|---|{}\n", heads.join(" | "), "---:|".repeat(heads.len()));
    for (class, label) in table.labels.iter().enumerate() {
        let cell = |row: &ProtocolRow| match recall(row, class) {
            lowest if lowest.ends_with('*') => format!("**{}**", lowest.trim_end_matches('*')),
            other => other.trim().to_owned(),
        };
        let cells: Vec<String> = table.rows.iter().map(cell).collect();
        text += &format!("| {} | {} |\n", md(label), cells.join(" | "));
    }
    text
}

/// What prediction sets did, where all runs of a row are calibrated.
fn sets(table: &RecipeTable) -> String {
    let rows = table.rows.iter().filter_map(|row| Some((name(row), row.sets?)));
    let line = |(name, sets): (String, SetCoverage)| {
        let SetCoverage { coverage, measured, mean_size, single_share } = sets;
        format!("| {} | {coverage} | {measured:.4} | {mean_size:.4} | {single_share:.4} |\n", md(&name))
    };
    let lines: String = rows.map(line).collect();
    if lines.is_empty() {
        return lines;
    }
    format!(
        "Prediction sets, mean over seeds:\n\n\
         | protocol | coverage promised | measured | mean size | of one class |\n|---|---:|---:|---:|---:|\n{lines}\n"
    )
}
