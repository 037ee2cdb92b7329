//! The table over runs as CSV.

use std::io::Write;

use ser_core::{Error, ErrorKind, Result};

use crate::render::cells::drawn;
use crate::runs::{MetricSummary, RunsReport};

/// Writes a line for each row: recipe, protocol, split, seeds, sizes, then mean, deviation and both ends of the interval of
/// each metric, the unit resampled, what prediction sets promised and did, and the mean recall of each class that any recipe
/// has. What is not known is empty; a
/// range of speakers is not an interval, and the column `resampled` says which it is.
///
/// # Errors
/// [`ErrorKind::Io`] if the writer fails.
pub fn runs(writer: impl Write, report: &RunsReport) -> Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
    let mut labels: Vec<&String> = report.recipes.iter().flat_map(|table| &table.labels).collect();
    labels.sort();
    labels.dedup();
    let mut head: Vec<String> =
        ["recipe", "protocol", "split", "seeds", "n_utterances", "n_train"].map(String::from).to_vec();
    for metric in ["accuracy", "uar", "macro_f1"] {
        head.extend(["mean", "deviation", "lower", "upper"].map(|part| format!("{metric}_{part}")));
    }
    head.push("resampled".to_owned());
    head.extend(["set_promised", "set_coverage", "set_mean_size", "set_single_share"].map(String::from));
    head.extend(labels.iter().map(|label| format!("recall_{label}")));
    csv.write_record(&head).map_err(no_table)?;
    for table in &report.recipes {
        for row in &table.rows {
            let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
            let mut fields = vec![
                table.settings.join("; "),
                row.protocol.clone(),
                row.split.clone().unwrap_or_default(),
                seeds.join(" "),
                row.n_utterances.to_string(),
                row.n_train.to_string(),
            ];
            [row.accuracy, row.uar, row.macro_f1].iter().for_each(|figure| fields.extend(numbers(figure)));
            fields.push(drawn(row).replace(',', ""));
            let sets = row.sets.map(|sets| [sets.coverage, sets.measured, sets.mean_size, sets.single_share]);
            fields.extend((0..4).map(|column| number(sets.map(|sets| sets[column]))));
            for label in &labels {
                let recall = row.recall.iter().find(|recall| recall.label == **label);
                fields.push(number(recall.and_then(|recall| recall.mean)));
            }
            csv.write_record(&fields).map_err(no_table)?;
        }
    }
    csv.flush().map_err(|error| no_table(error.into()))
}

fn numbers(figure: &MetricSummary) -> [String; 4] {
    let ends = figure.interval.map(|interval| [interval.lower, interval.upper]).or(figure.range);
    [
        number(Some(figure.mean)),
        number(figure.deviation),
        number(ends.map(|ends| ends[0])),
        number(ends.map(|ends| ends[1])),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn no_table(error: csv::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write the table: {error}")).caused_by(error)
}
