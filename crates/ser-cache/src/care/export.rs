//! Copies of what a cache holds, in files that other programs read: `.npy` and CSV.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::{Path, PathBuf};

use ser_core::progress::Progress;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;
use ser_corpus::split::Part;
use serde::Serialize;

use crate::care::npy;
use crate::generation::generation_place;
use crate::{
    Cache, Checksum, FeatureSet, Shard, StoredSplit, Utterance, layout_of, shard_path, shards_folder,
};

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The feature set it is from.
    pub feature_set: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Utterances in them.
    pub utterances: usize,
}

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
    let utterances: usize = Part::ALL.iter().map(|part| split.part(*part).len()).sum();
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
    for part in Part::ALL {
        let side = split.part(part);
        let n = side.len();
        write(format!("{part}_features.npy"), &mut |sink| write_features(cache, set, side, sink, progress))?;
        let frames: Vec<i32> = side.iter().map(|utterance| utterance.frames as i32).collect();
        write(format!("{part}_frames.npy"), &mut |sink| {
            sink(&npy::header("i4", &[n])?)?;
            sink(bytemuck::cast_slice(&frames))
        })?;
        let classes: Vec<i64> =
            side.iter().map(|utterance| class_of(&split, utterance)).collect::<Result<_>>()?;
        write(format!("{part}_labels.npy"), &mut |sink| {
            sink(&npy::header("i8", &[n])?)?;
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
    let layout = layout_of(set);
    let [channels, rows, frames] = layout.shape;
    sink(&npy::header("f4", &[side.len(), channels, rows, frames])?)?;
    let mut opened: BTreeMap<u32, Shard> = BTreeMap::new();
    for utterance in side {
        let entry = cache.entry_of(set, utterance)?;
        if opened.len() >= MOST_OPEN {
            opened.clear();
        }
        let shard = match opened.entry(entry.shard) {
            Slot::Occupied(shard) => shard.into_mut(),
            Slot::Vacant(slot) => {
                let name =
                    set.shards.get(entry.shard as usize).ok_or_else(|| crate::cache::unknown(utterance))?;
                let path = shard_path(&shards_folder(&cache.root), name);
                slot.insert(Shard::open_by(&path, &layout, false)?)
            }
        };
        let tensor = shard.features(entry.position as usize, 1)?;
        if Checksum::of_row(&tensor, entry.row.frames) != entry.row.checksum {
            let what = format!("row {} has changed since it was written: {}", entry.position, utterance.path);
            return Err(Error::new(ErrorKind::Damaged, what)
                .at(shard.path())
                .help("run ser-cache verify --repair"));
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

/// Writes a line for each utterance into the CSV file at `path`, sorted by path: the fields of its manifest, and in a
/// column `side_<protocol>` for each of `protocols` the side it is on. Tensors are not read.
///
/// # Errors
/// When the cache has no such split, its manifests are damaged, or writing fails.
pub fn export_csv(
    cache: &Cache,
    set: &FeatureSet,
    protocols: &[Protocol],
    path: &Path,
    storage: &Storage,
) -> Result<Exported> {
    let placed = placed_utterances(cache, set, protocols)?;
    let broken = |error: csv::Error| Error::new(ErrorKind::Io, error.to_string()).at(path);
    storage.replace_file_with(path, |sink| {
        let mut line = |fields: &[String]| {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(fields).map_err(broken)?;
            sink(&writer.into_inner().map_err(|error| broken(error.into_error().into()))?)
        };
        let columns = [
            "key",
            "path",
            "label",
            "speaker",
            "word",
            "sample_rate",
            "duration_s",
            "frames",
            "shard",
            "row",
        ];
        let sides = protocols.iter().map(|protocol| format!("side_{protocol}"));
        line(&columns.iter().map(ToString::to_string).chain(sides).collect::<Vec<_>>())?;
        for (utterance, sides) in placed.values() {
            let fields = [
                utterance.key.to_string(),
                utterance.path.clone(),
                utterance.label.clone(),
                utterance.speaker.clone().unwrap_or_default(),
                utterance.word.clone().unwrap_or_default(),
                utterance.sample_rate.to_string(),
                utterance.duration_s.to_string(),
                utterance.frames.to_string(),
                utterance.shard.clone(),
                utterance.row.to_string(),
            ];
            let side = |protocol: &Protocol| sides.get(protocol).map(ToString::to_string).unwrap_or_default();
            line(&fields.into_iter().chain(protocols.iter().map(side)).collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    let utterances = placed.len();
    Ok(Exported { feature_set: set.id.clone(), files: vec![path.to_owned()], utterances })
}

/// The utterances of a feature set by path, each with its side in every protocol.
pub(super) type UtteranceSides = BTreeMap<String, (Utterance, BTreeMap<Protocol, Part>)>;

/// Reads the splits of `protocols` and puts them together.
pub(super) fn placed_utterances(
    cache: &Cache,
    set: &FeatureSet,
    protocols: &[Protocol],
) -> Result<UtteranceSides> {
    let mut placed = UtteranceSides::new();
    for protocol in protocols {
        let split = cache.split(set, protocol)?;
        for (part, utterances) in split.parts {
            for utterance in utterances {
                let path = utterance.path.clone();
                placed
                    .entry(path)
                    .or_insert_with(|| (utterance, BTreeMap::new()))
                    .1
                    .insert(protocol.clone(), part);
            }
        }
    }
    Ok(placed)
}

/// The protocols of a feature set, in the order of their names.
///
/// # Errors
/// When its manifests are missing.
pub fn protocols(cache: &Cache, set: &FeatureSet) -> Result<Vec<Protocol>> {
    let folder = cache.root().join(generation_place(&set.manifests));
    let protocols: Vec<Protocol> =
        crate::cache::names_in(&folder).iter().filter_map(|n| n.parse().ok()).collect();
    match protocols.is_empty() {
        true => Err(Error::new(ErrorKind::Missing, "holds no splits").at(folder).help("run ser-prep again")),
        false => Ok(protocols),
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}"))
}
