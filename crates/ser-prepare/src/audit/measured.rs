//! Measures what the recordings of a corpus and their tensors say that no name does: near-duplicates, silence, level.

use std::borrow::Cow;
use std::path::Path;

use rayon::prelude::*;
use ser_audio::LevelNormalisation;
use ser_cache::audit::{Content, Measured};
use ser_cache::{FeatureSet, Sha, Shard, TensorEntry, shard_path, shards_folder};
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};
use ser_features::{FeatureConfig, FrameLevel};

use super::bands::ClipFraming;
use super::near_duplicates::{Comparable, MfccClip, near_duplicates};
use super::originals::{OriginalReader, Originals, own_features};
use super::sketch::{Sketch, Sketcher};
use super::sketches::Sketches;
use super::waveform::Waveform;

/// A frame this far below the loudest of its clip is silent, dB.
const SILENT_DB: f32 = 30.0;

/// What the cache in `root` keeps about the tensors of `entries`, all of `set`; or measured, with `jobs` threads, if it keeps
/// nothing about just these. Near-duplicates are searched for among `originals`.
///
/// # Errors
/// When a tensor or a recording has to be read and cannot.
pub(crate) fn measured<'a>(
    root: &Path,
    set: &FeatureSet,
    entries: impl Iterator<Item = &'a TensorEntry>,
    originals: &Originals<'_>,
    jobs: usize,
) -> Result<Measured<'a>> {
    Measured::of(root, set, entries, |entries| {
        threads::pool(jobs, Setting::Jobs)?.install(|| measure(root, set, entries, originals))
    })
}

fn measure(
    root: &Path,
    set: &FeatureSet,
    entries: &[&TensorEntry],
    originals: &Originals<'_>,
) -> Result<Content> {
    let config: Option<FeatureConfig> = serde_json::from_str(&set.configuration).ok();
    let config = config.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "has a feature configuration that cannot be read").at(root)
    })?;
    let tensors = Tensors::open(root, set, entries)?;
    let (silence, level) = silences_and_levels(&tensors, &config)?;
    let reader = OriginalReader::new(originals);
    // Features that hold too little to tell recordings apart are no reason not to: the recordings do.
    let (framing, of_tensors) = match ClipFraming::new(&config) {
        Some(framing) => (Some(framing), true),
        None => (ClipFraming::new(&own_features()), false),
    };
    let mut content = Content { looked: framing.is_some(), near_duplicates: Vec::new(), silence, level };
    if let Some(framing) = &framing {
        let values = of_tensors.then(|| framing.values());
        let recordings = Recordings { entries, tensors: &tensors, values, reader: &reader };
        let sketcher = Sketcher::new(framing);
        let sketch = |position: usize| -> Result<Sketch> {
            if !reader.knows(&entries[position].row.key) {
                return Ok(Sketcher::nothing());
            }
            let (mfcc, frames) = recordings.clip(position)?;
            Ok(sketcher.sketch(&mfcc, frames))
        };
        let sketches = Sketches::new(entries.len(), root, sketch)?;
        let stored = |(first, second, similarity): (usize, usize, f64)| {
            (first as u32, second as u32, (similarity * 1000.0).round() as u32)
        };
        let pairs = near_duplicates(framing, &sketches, &recordings)?;
        content.near_duplicates = pairs.into_iter().map(stored).collect();
    }
    Ok(content)
}

/// Of each tensor what [`Content`] has of its silence and its level.
fn silences_and_levels(tensors: &Tensors<'_>, config: &FeatureConfig) -> Result<(Vec<u32>, Vec<i32>)> {
    let level = config.level();
    let of_one = |position: usize| -> Result<(u32, i32)> {
        let rows = level.map_or(0, |level| level.rows);
        let (values, frames) = tensors.beginning(position, rows * config.max_frames)?;
        Ok(silence_and_level(&values, frames, config.max_frames, level))
    };
    let of_each: Vec<(u32, i32)> =
        (0..tensors.entries.len()).into_par_iter().map(of_one).collect::<Result<_>>()?;
    let is_level_known =
        level.is_some() && config.normalisation == LevelNormalisation::None && !config.mean_subtraction;
    let (silences, mut levels): (Vec<u32>, Vec<i32>) = of_each.into_iter().unzip();
    if !is_level_known {
        levels = Vec::new();
    }
    Ok((silences, levels))
}

/// The tensors of a feature set, by their positions among some entries.
struct Tensors<'a> {
    root: &'a Path,
    entries: &'a [&'a TensorEntry],
    shards: Vec<Shard>,
}

impl<'a> Tensors<'a> {
    fn open(root: &'a Path, set: &FeatureSet, entries: &'a [&'a TensorEntry]) -> Result<Self> {
        let (folder, layout) = (shards_folder(root), set.layout());
        // Read, not mapped: what is mapped counts as memory of this process.
        let open = |name: &Sha| Shard::open_by(&shard_path(&folder, name), &layout, false);
        let shards = set.shards.par_iter().map(open).collect::<Result<_>>()?;
        Ok(Self { root, entries, shards })
    }

    /// The first `values` numbers of a tensor, and how many of its frames are real.
    fn beginning(&self, position: usize, values: usize) -> Result<MfccClip<'_>> {
        let entry = self.entries[position];
        let shard = self.shards.get(entry.shard as usize).ok_or_else(|| {
            Error::new(ErrorKind::Damaged, "names a shard that is not listed").at(self.root)
        })?;
        Ok((shard.beginning(entry.position as usize, values)?, entry.row.frames as usize))
    }
}

/// Recordings that are compared with each other.
struct Recordings<'a> {
    entries: &'a [&'a TensorEntry],
    tensors: &'a Tensors<'a>,
    /// How many values at the beginning of a tensor tell recordings apart; `None` where they do not.
    values: Option<usize>,
    reader: &'a OriginalReader<'a>,
}

impl Comparable for Recordings<'_> {
    fn clip(&self, position: usize) -> Result<MfccClip<'_>> {
        match self.values {
            Some(values) => self.tensors.beginning(position, values),
            None => {
                let (mfcc, frames) = self.reader.mfcc(&self.entries[position].row.key)?;
                Ok((Cow::Owned(mfcc), frames))
            }
        }
    }

    fn waveform(&self, position: usize) -> Result<Waveform> {
        self.reader.waveform(&self.entries[position].row.key)
    }

    fn correlation(&self, one: &Waveform, other: &Waveform) -> Result<f64> {
        self.reader.correlation(one, other)
    }
}

/// Thousandths of the frames that are silent, and the mean level in tenths of a dB, by the mean of each frame's log mel
/// energies; zeros where the features do not tell.
fn silence_and_level(
    values: &[f32],
    frames: usize,
    max_frames: usize,
    level: Option<FrameLevel>,
) -> (u32, i32) {
    let Some(FrameLevel { rows, scale }) = level else { return (0, 0) };
    let of_frame = |frame: usize| {
        let column = values.iter().skip(frame).step_by(max_frames.max(1)).take(rows);
        scale * column.sum::<f32>()
    };
    let levels: Vec<f32> = (0..frames.min(max_frames).min(values.len())).map(of_frame).collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let silent = levels.iter().filter(|level| **level < loudest - SILENT_DB).count();
    let mean = levels.iter().map(|level| f64::from(*level)).sum::<f64>() / levels.len().max(1) as f64;
    ((silent * 1000 / levels.len().max(1)) as u32, (mean * 10.0).round() as i32)
}
