//! CSV: the answer for each utterance, and the table over runs.

use std::io::Write;

use ser_core::{Error, ErrorKind, Result};

use crate::evaluation::Prediction;
use crate::render::cells::drawn;
use crate::runs::{MetricSummary, RunsReport};

/// Writes one line an utterance: `path`, `true`, `predicted` (labels), then `probability_<label>` for each class; where
/// all are of a calibrated model, `set` (the labels of its prediction set between `|`), and where it is known for all,
/// `share_as_unusual`.
///
/// Fields are quoted as RFC 4180 asks where they need it; lines end in `\n`. A probability is the shortest
/// decimal that reads back as the same `f32`.
///
/// # Errors
/// [`ErrorKind::Mismatch`] or [`ErrorKind::Unusable`] for a row that does not fit the labels, named by its path;
/// [`ErrorKind::Io`] if the writer fails.
pub fn predictions(writer: impl Write, labels: &[String], rows: &[Prediction]) -> Result<()> {
    let mut csv = ::csv::Writer::from_writer(writer);
    let head = ["path", "true", "predicted"].map(String::from).into_iter();
    let probabilities = labels.iter().map(|label| format!("probability_{label}"));
    let all = |has: fn(&Prediction) -> bool| !rows.is_empty() && rows.iter().all(has);
    let (with_sets, with_shares) =
        (all(|row| row.doubt.is_some()), all(|row| row.share_as_unusual.is_some()));
    let doubts = [("set", with_sets), ("share_as_unusual", with_shares)];
    let doubts = doubts.into_iter().filter(|(_, shown)| *shown).map(|(name, _)| name.to_owned());
    csv.write_record(head.chain(probabilities).chain(doubts)).map_err(no_predictions)?;
    for row in rows {
        row.check(labels.len())?;
        let fields = [row.path.clone(), labels[row.truth].clone(), labels[row.predicted].clone()].into_iter();
        // `Debug` writes small numbers with an exponent, `Display` with up to 45 zeros.
        let probabilities = row.probabilities.iter().map(|probability| format!("{probability:?}"));
        let set = row.doubt.iter().filter(|_| with_sets).map(|doubt| {
            let set: Vec<&str> = doubt.set.iter().map(|class| labels[*class].as_str()).collect();
            set.join("|")
        });
        let share = row.share_as_unusual.iter().filter(|_| with_shares).map(f64::to_string);
        csv.write_record(fields.chain(probabilities).chain(set).chain(share)).map_err(no_predictions)?;
    }
    csv.flush().map_err(|error| no_predictions(error.into()))
}

fn no_predictions(error: ::csv::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write the predictions: {error}")).caused_by(error)
}

/// Writes a line for each row: recipe, protocol, split, seeds, sizes, then mean, deviation and both ends of the interval of
/// each metric, the unit resampled, what prediction sets promised and did, and the mean recall of each class that any recipe
/// has. What is not known is empty; a
/// range of speakers is not an interval, and the column `resampled` says which it is.
///
/// # Errors
/// [`ErrorKind::Io`] if the writer fails.
pub fn runs(writer: impl Write, report: &RunsReport) -> Result<()> {
    let mut csv = ::csv::Writer::from_writer(writer);
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

fn no_table(error: ::csv::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write the table: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["angry", "happy, \"very\"", "sad"].map(String::from).to_vec()
    }

    #[test]
    fn the_csv_reads_back_as_it_was_whatever_the_names_hold() {
        let rows = [
            Prediction::most_probable("a,b/\"c\"\n.wav", 1, vec![1e-30, 0.3, 0.7]).unwrap(),
            Prediction::most_probable("嬉しい.wav", 0, vec![1.0, 0.0, 1.0 / 3.0]).unwrap(),
        ];
        let mut bytes = Vec::new();
        predictions(&mut bytes, &labels(), &rows).unwrap();
        let mut csv = ::csv::Reader::from_reader(&bytes[..]);
        let head: Vec<_> = csv.headers().unwrap().iter().map(String::from).collect();
        let expected = [
            "path",
            "true",
            "predicted",
            "probability_angry",
            "probability_happy, \"very\"",
            "probability_sad",
        ];
        assert_eq!(head, expected);
        for (record, row) in csv.records().zip(&rows) {
            let record = record.unwrap();
            assert_eq!(record[0], row.path);
            assert_eq!([&record[1], &record[2]], [&labels()[row.truth], &labels()[row.predicted]]);
            let back: Vec<f32> = record.iter().skip(3).map(|field| field.parse().unwrap()).collect();
            assert_eq!(back, row.probabilities);
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("嬉しい.wav,angry,angry,1.0,0.0,0.33333334\n"), "{text}");
        assert!(text.contains(",1e-30,"), "{text}");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(predictions(Full, &labels(), &[]).unwrap_err().kind(), ErrorKind::Io);
    }
}
