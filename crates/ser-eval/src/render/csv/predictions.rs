//! The answer for each utterance as CSV.

use std::io::Write;

use ser_core::text::label_set;
use ser_core::{Error, ErrorKind, Result};

use crate::evaluation::Prediction;

/// Writes one line an utterance: `path`, `true`, `predicted` (labels), then `probability_<label>` for each class; where
/// all are of a calibrated model, `set` (the labels of its prediction set with `|` between them, and `\` before each `|` or
/// `\` of a label), and where it is known for all, `share_as_unusual`.
///
/// Fields are quoted as RFC 4180 asks where they need it; lines end in `\n`. A probability is the shortest
/// decimal that reads back as the same `f32`.
///
/// # Errors
/// [`ErrorKind::Mismatch`] or [`ErrorKind::Unusable`] for a row that does not fit the labels, named by its path;
/// [`ErrorKind::Io`] if the writer fails.
pub fn predictions(writer: impl Write, labels: &[String], rows: &[Prediction]) -> Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
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
        let doubt = row.doubt.iter().filter(|_| with_sets);
        let set = doubt.map(|doubt| label_set(doubt.set.iter().map(|class| labels[*class].as_str())));
        let share = row.share_as_unusual.iter().filter(|_| with_shares).map(f64::to_string);
        csv.write_record(fields.chain(probabilities).chain(set).chain(share)).map_err(no_predictions)?;
    }
    csv.flush().map_err(|error| no_predictions(error.into()))
}

fn no_predictions(error: csv::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write the predictions: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Doubt;

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
        let mut csv = csv::Reader::from_reader(&bytes[..]);
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
    fn the_labels_of_a_set_are_told_apart_whatever_they_hold() {
        let written = |labels: [&str; 3]| {
            let labels = labels.map(String::from);
            let row = Prediction {
                doubt: Some(Doubt { coverage: 0.9, set: vec![2, 0] }),
                ..Prediction::most_probable("a.wav", 2, vec![0.3, 0.1, 0.6]).unwrap()
            };
            let mut bytes = Vec::new();
            predictions(&mut bytes, &labels, &[row]).unwrap();
            let mut csv = csv::Reader::from_reader(&bytes[..]);
            csv.records().next().unwrap().unwrap()[6].to_owned()
        };
        assert_eq!(written(["angry", "happy, \"very\"", "sad"]), "sad|angry");
        let sets =
            [["a", "c", "b"], ["a", "c", "b|a"], ["a", "c", "b\\"], ["a", "c", "b\\|"], ["|a", "c", "b"]];
        let fields = sets.map(written);
        assert_eq!(fields, ["b|a", r"b\|a|a", r"b\\|a", r"b\\\||a", r"b|\|a"]);
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
