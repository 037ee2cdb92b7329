//! Metrics for TensorBoard: an event file in its own format.
//!
//! Records are framed as in a TFRecord file (length, masked CRC-32C of it, data, masked CRC-32C of that); each holds
//! an `Event` message of TensorFlow's `event.proto` in protocol buffers' wire format. Both are small enough to write
//! by hand, and the crates for it are years old.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use ser_core::storage::Storage;
use ser_core::{Error, Result};
use ser_model::EpochRecord;

/// Brings the event file at `path` up to date with `history`. What it holds already is left alone, so that a running
/// TensorBoard keeps its place.
///
/// # Errors
/// When writing fails.
pub(crate) fn write(storage: &Storage, path: &Path, history: &[EpochRecord]) -> Result<()> {
    let events = events(history);
    let old = std::fs::read(path).unwrap_or_default();
    match events.strip_prefix(old.as_slice()) {
        Some(new) if !old.is_empty() => OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(new))
            .map_err(|error| Error::io("cannot be written", path, error)),
        _ => storage.replace_file(path, &[&events]),
    }
}

fn events(history: &[EpochRecord]) -> Vec<u8> {
    let mut file = Vec::new();
    let first = history.first().map_or(0.0, |record| record.finished);
    let mut version = Message::default();
    version.double(1, first);
    version.bytes(3, b"brain.Event:2");
    push_record(&mut file, &version.0);
    for record in history {
        for (tag, value) in [
            ("loss/train", record.train_loss),
            ("loss/val", record.val_loss),
            ("accuracy/train", record.train_accuracy),
            ("accuracy/val", record.val_accuracy),
            ("uar/val", record.val_uar),
            ("speed/samples_per_s", record.samples_per_s),
        ] {
            push_record(&mut file, &scalar(record, tag, value).0);
        }
    }
    file
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`
fn scalar(record: &EpochRecord, tag: &str, value: f64) -> Message {
    let mut point = Message::default();
    point.bytes(1, tag.as_bytes());
    point.float(2, value as f32);
    let mut summary = Message::default();
    summary.bytes(1, &point.0);
    let mut event = Message::default();
    event.double(1, record.finished);
    event.varint(2, u64::from(record.epoch));
    event.bytes(5, &summary.0);
    event
}

fn push_record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked_crc(&length).to_le_bytes());
    file.extend_from_slice(data);
    file.extend_from_slice(&masked_crc(data).to_le_bytes());
}

/// TFRecord's mask, which keeps a checksum of data that holds checksums from being misleading.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protocol buffers message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw_varint(field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw_varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u32) -> EpochRecord {
        EpochRecord {
            epoch,
            steps: u64::from(epoch),
            train_loss: 0.5,
            train_accuracy: 0.75,
            val_loss: 0.25,
            val_accuracy: 0.875,
            val_uar: 0.8125,
            seconds: 1.0,
            samples_per_s: 100.0,
            waiting_share: 0.01,
            validated_per_s: 400.0,
            finished: 1_700_000_000.0 + f64::from(epoch),
            best: true,
        }
    }

    #[test]
    fn every_record_is_framed_with_its_length_and_checksums() {
        let file = events(&[record(1), record(2)]);
        let (mut rest, mut records) = (file.as_slice(), 0);
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let data = &after[4..4 + u64::from_le_bytes(*length) as usize];
            assert_eq!(after[..4], masked_crc(length).to_le_bytes());
            assert_eq!(after[4 + data.len()..][..4], masked_crc(data).to_le_bytes());
            rest = &after[8 + data.len()..];
            records += 1;
        }
        assert_eq!((records, rest.len()), (13, 0));
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_later_epoch_is_appended_and_another_history_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.ser");
        write(&Storage::native(), &path, &[record(1)]).unwrap();
        let inode = |path: &Path| ser_corpus::FileStat::of(&std::fs::metadata(path).unwrap()).inode;
        let before = inode(&path);
        write(&Storage::native(), &path, &[record(1), record(2)]).unwrap();
        assert_eq!(inode(&path), before);
        assert_eq!(std::fs::read(&path).unwrap(), events(&[record(1), record(2)]));
        write(&Storage::native(), &path, &[record(2)]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), events(&[record(2)]));
    }
}
