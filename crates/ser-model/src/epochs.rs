//! The epochs of a run: a line of JSON for each in `metrics.jsonl`, in the run's folder.

use std::path::{Path, PathBuf};

use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, Serialize};

/// Largest file of epochs that is read, bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// What an epoch gave. A measurement that was not a number, or that an older version did not write, is NaN; JSON writes that
/// as `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub epoch: u32,
    /// Steps of the run up to its end; 0 in records from before they were kept.
    #[serde(default)]
    pub steps: u64,
    /// Mean cross-entropy over the training side while it was being learnt, as weighted as the loss is, nats.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// Correct / all over the training side, likewise; of two utterances that are mixed, only the class of the first counts,
    /// whatever its share.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub train_accuracy: f64,
    /// Mean cross-entropy over the validation side after the epoch, nats.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub val_loss: f64,
    /// Correct / all over the validation side.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub val_accuracy: f64,
    /// Mean recall over classes on the validation side.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub val_uar: f64,
    /// Time taken, validation included, seconds.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub seconds: f64,
    /// Training utterances learnt from in a second.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub samples_per_s: f64,
    /// Share of that time in which steps waited for their utterances.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub waiting_share: f64,
    /// Validation utterances predicted in a second.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub validated_per_s: f64,
    /// When it ended, seconds since 1970: no two runs share it.
    #[serde(default = "nan", deserialize_with = "number_or_nan")]
    pub finished: f64,
    /// Whether it is the best so far.
    #[serde(default)]
    pub best: bool,
}

fn nan() -> f64 {
    f64::NAN
}

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Where the epochs of the run in the folder `run` are.
pub fn path_in(run: &Path) -> PathBuf {
    run.join("metrics.jsonl")
}

/// The epochs of the run in the folder `run`; `None` where it has no file of them.
///
/// # Errors
/// Those of [`read_text`], and those of [`parse`]. All name the file.
pub fn read(run: &Path) -> Result<Option<Vec<EpochRecord>>> {
    let path = path_in(run);
    if !path.is_file() {
        return Ok(None);
    }
    let text = read_text(&path, "the epochs of a run", MAX_BYTES)?;
    parse(&text).map(Some).map_err(|error| error.at(path))
}

/// The epochs in `text`, a line each.
///
/// # Errors
/// [`ErrorKind::Damaged`] with the first line that is no epoch, or one that does not come after the one before it. It names no
/// file.
pub fn parse(text: &str) -> Result<Vec<EpochRecord>> {
    let mut epochs: Vec<EpochRecord> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let damaged = |what: String| {
            Error::new(ErrorKind::Damaged, format!("is not a list of epochs: line {number}: {what}"))
        };
        let epoch: EpochRecord =
            serde_json::from_str(line).map_err(|error| damaged(error.to_string()).caused_by(error))?;
        if epoch.epoch <= epochs.last().map_or(0, |before| before.epoch) {
            return Err(damaged(format!("epoch {} is out of order", epoch.epoch)));
        }
        epochs.push(epoch);
    }
    Ok(epochs)
}

/// `epochs` as the file has them.
///
/// # Errors
/// When they cannot be written as JSON.
pub fn to_lines(epochs: &[EpochRecord]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for epoch in epochs {
        serde_json::to_writer(&mut lines, epoch)
            .map_err(|error| Error::new(ErrorKind::Io, format!("metrics cannot be written: {error}")))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_come_back_as_they_were_written_and_what_is_no_number_is_nan() {
        let old = "{\"epoch\":1,\"val_loss\":null,\"val_uar\":0.25}\n{\"epoch\":3,\"val_loss\":0.5,\"best\":true}\n";
        let epochs = parse(old).unwrap();
        assert_eq!(
            epochs.iter().map(|epoch| (epoch.epoch, epoch.best)).collect::<Vec<_>>(),
            [(1, false), (3, true)]
        );
        assert!(epochs[0].val_loss.is_nan() && epochs[0].finished.is_nan());
        assert_eq!((epochs[0].val_uar, epochs[1].val_loss, epochs[0].steps), (0.25, 0.5, 0));
        let written = String::from_utf8(to_lines(&epochs).unwrap()).unwrap();
        assert!(written.starts_with("{\"epoch\":1,\"steps\":0,\"train_loss\":null,"), "{written}");
        let again = parse(&written).unwrap();
        assert_eq!(String::from_utf8(to_lines(&again).unwrap()).unwrap(), written);
    }

    #[test]
    fn a_line_that_is_no_epoch_is_named() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        let epoch = |number: u32| format!("{{\"epoch\":{number}}}\n");
        assert!(said("{\"ep").starts_with("is not a list of epochs: line 1: "), "{}", said("{\"ep"));
        assert!(said(&[epoch(1), "{}\n".to_owned()].concat()).contains("line 2: missing field `epoch`"));
        let twice = epoch(1).repeat(2);
        assert_eq!(said(&twice), "is not a list of epochs: line 2: epoch 1 is out of order");
        assert_eq!(said(&epoch(0)), "is not a list of epochs: line 1: epoch 0 is out of order");
        assert!(parse("").unwrap().is_empty());
        assert!(read(Path::new("/nowhere/at/all")).unwrap().is_none());
    }
}
