//! A split as arrays for NumPy.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt::Write;
use std::path::Path;

use ser_core::progress::Progress;
use ser_core::remedy::Action;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;
use ser_corpus::split::Side;

use crate::export::Exported;
use crate::{Cache, Checksum, FeatureSet, Shard, StoredSplit, Utterance, shard_path, shards_folder};

/// Writes the split of `protocol` into `folder`: for each side `<side>_features.npy` (f32, `[N, channel, row,
/// frame]`), `<side>_frames.npy` (i32, `[N]`), `<side>_labels.npy` (i64, `[N]`, positions in `labels.json`) and
/// `<side>.jsonl`, all in the order of the manifest. Tensors pass through one by one, each compared with its
/// checksum.
///
/// # Errors
/// When the cache has no such split, a tensor is damaged, or writing fails.
pub fn export_numpy(
    cache: &Cache,
    set: &FeatureSet,
    protocol: &Protocol,
    folder: &Path,
    storage: &Storage,
    progress: &dyn Progress,
) -> Result<Exported> {
    let split = cache.split(set, protocol)?;
    storage.make_folder(folder)?;
    let utterances: usize = Side::ALL.iter().map(|part| split.side(*part).len()).sum();
    let mut exported = Exported { feature_set: set.id.clone(), files: Vec::new(), utterances };
    let mut write = |name: String, content: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>| -> Result<()> {
        let path = folder.join(name);
        storage.replace_file_with(&path, |sink| content(sink))?;
        exported.files.push(path);
        Ok(())
    };
    let labels = serde_json::to_vec(&split.info.labels).map_err(unwritable)?;
    write("labels.json".to_owned(), &mut |sink| sink(&labels))?;
    progress.start(utterances as u64, "utterances");
    for part in Side::ALL {
        let side = split.side(part);
        let n = side.len();
        write(format!("{part}_features.npy"), &mut |sink| write_features(cache, set, side, sink, progress))?;
        let frames: Vec<i32> = side.iter().map(|utterance| utterance.frames as i32).collect();
        write(format!("{part}_frames.npy"), &mut |sink| {
            sink(&header("i4", &[n])?)?;
            sink(bytemuck::cast_slice(&frames))
        })?;
        let classes: Vec<i64> =
            side.iter().map(|utterance| class_of(&split, utterance)).collect::<Result<_>>()?;
        write(format!("{part}_labels.npy"), &mut |sink| {
            sink(&header("i8", &[n])?)?;
            sink(bytemuck::cast_slice(&classes))
        })?;
        write(format!("{part}.jsonl"), &mut |sink| {
            side.iter().try_for_each(|utterance| {
                sink(&serde_json::to_vec(utterance).map_err(unwritable)?)?;
                sink(b"\n")
            })
        })?;
    }
    progress.finish();
    Ok(exported)
}

/// Files that are open at once: a process may have few.
const MOST_OPEN: usize = 64;

/// Takes the next bytes of a file.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

fn write_features(
    cache: &Cache,
    set: &FeatureSet,
    side: &[Utterance],
    sink: &mut Sink<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let layout = set.layout();
    let [channels, rows, frames] = layout.shape;
    sink(&header("f4", &[side.len(), channels, rows, frames])?)?;
    let entries = set.by_key();
    let mut opened: BTreeMap<u32, Shard> = BTreeMap::new();
    for utterance in side {
        let entry = entries.of(utterance)?;
        if opened.len() >= MOST_OPEN {
            opened.clear();
        }
        let shard = match opened.entry(entry.shard) {
            Slot::Occupied(shard) => shard.into_mut(),
            Slot::Vacant(slot) => {
                let name = set
                    .shards
                    .get(entry.shard as usize)
                    .ok_or_else(|| crate::index::entries_by_key::unknown(utterance))?;
                let path = shard_path(&shards_folder(&cache.root), name);
                slot.insert(Shard::open_by(&path, &layout, false)?)
            }
        };
        let tensor = shard.features(entry.position as usize, 1)?;
        if Checksum::of_row(&tensor, layout.dtype, entry.row.frames) != entry.row.checksum {
            let what = format!("row {} has changed since it was written: {}", entry.position, utterance.path);
            return Err(Error::new(ErrorKind::Damaged, what).at(shard.path()).help(Action::Repair));
        }
        sink(bytemuck::cast_slice(&tensor))?;
        progress.advance(1);
    }
    Ok(())
}

fn class_of(split: &StoredSplit, utterance: &Utterance) -> Result<i64> {
    let class = split.info.labels.iter().position(|label| *label == utterance.label);
    class.map(|class| class as i64).ok_or_else(|| {
        Error::new(ErrorKind::Mismatch, format!("is labelled {:?}, which is not a class", utterance.label))
            .at(&utterance.path)
    })
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}"))
}

/// The header of NumPy's array files, format version 1.0
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>), for an array of `shape` in C order, little-endian, of type `f4`, `i4` or `i8`. Its values follow.
fn header(kind: &str, shape: &[usize]) -> Result<Vec<u8>> {
    let mut sizes = String::new();
    for size in shape {
        // A comma after each, so that a single one is a tuple in Python too.
        let _ = write!(sizes, "{size}, ");
    }
    let text = format!("{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    let mut header = b"\x93NUMPY\x01\x00\0\0".to_vec();
    header.extend(text.as_bytes());
    // The data starts at a multiple of 64 bytes, after a line break.
    header.resize((header.len() + 1).next_multiple_of(64) - 1, b' ');
    header.push(b'\n');
    let length = u16::try_from(header.len() - 10)
        .map_err(|_| Error::new(ErrorKind::Limit, "an array of so many dimensions cannot be written"))?;
    header[8..10].copy_from_slice(&length.to_le_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_numpy_writes() {
        let header = header("f4", &[5, 3, 40, 200]).unwrap();
        assert_eq!(header.len(), 128);
        assert_eq!(header[..10], *b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&header[10..]).unwrap();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3, 40, 200,), }"));
        assert!(text.ends_with(" \n"));
    }
}
