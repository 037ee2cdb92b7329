//! Measures what the tensors of a corpus say that no name does: near-duplicates, silence, level.

use std::path::Path;

use rayon::prelude::*;
use ser_audio::LevelNormalisation;
use ser_cache::audit::{Content, Measured};
use ser_cache::{FeatureSet, Sha, Shard, TensorEntry, shard_path, shards_folder};
use ser_core::{Error, ErrorKind, Result};
use ser_features::{FeatureConfig, FrameLevel};

use super::bands::ClipFraming;
use super::near_duplicates::near_duplicates;
use super::sketch::{Sketch, Sketcher};

/// A frame this far below the loudest of its clip is silent, dB.
const SILENT_DB: f32 = 30.0;

/// What the cache in `root` keeps about the tensors of `entries`, all of `set`; or measured, with `jobs` threads, if it keeps
/// nothing about just these.
///
/// # Errors
/// When a tensor has to be read and cannot.
pub(crate) fn measured<'a>(
    root: &Path,
    set: &FeatureSet,
    entries: impl Iterator<Item = &'a TensorEntry>,
    jobs: usize,
) -> Result<Measured> {
    Measured::of(root, set, entries, |entries| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool =
            pool.map_err(|error| Error::new(ErrorKind::Io, format!("cannot start threads: {error}")))?;
        pool.install(|| measure(root, set, entries))
    })
}

fn measure(root: &Path, set: &FeatureSet, entries: &[&TensorEntry]) -> Result<Content> {
    let config: Option<FeatureConfig> = serde_json::from_str(&set.configuration).ok();
    let config = config.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "has a feature configuration that cannot be read").at(root)
    })?;
    let (folder, layout) = (shards_folder(root), set.layout());
    // Read, not mapped: what is mapped counts as memory of this process.
    let open = |name: &Sha| Shard::open_by(&shard_path(&folder, name), &layout, false);
    let shards: Vec<Shard> = set.shards.par_iter().map(open).collect::<Result<_>>()?;
    let beginning = |position: usize, values: usize| {
        let entry = entries[position];
        let shard = shards
            .get(entry.shard as usize)
            .ok_or_else(|| Error::new(ErrorKind::Damaged, "names a shard that is not listed").at(root))?;
        Ok((shard.beginning(entry.position as usize, values)?, entry.row.frames as usize))
    };
    let framing = ClipFraming::new(&config);
    let sketcher = framing.as_ref().map(Sketcher::new);
    let frame_level = config.representation.level(&config);
    let level_rows = frame_level.map_or(0, |level| level.rows);
    let values = framing.as_ref().map_or(level_rows * config.max_frames, ClipFraming::values);
    let of_one = |position: usize| -> Result<(u32, i32, Option<Sketch>)> {
        let (values, frames) = beginning(position, values)?;
        let (silence, level) = silence_and_level(&values, frames, config.max_frames, frame_level);
        Ok((silence, level, sketcher.as_ref().map(|sketcher| sketcher.sketch(&values, frames))))
    };
    let of_each: Vec<_> = (0..entries.len()).into_par_iter().map(of_one).collect::<Result<_>>()?;
    let is_level_known =
        frame_level.is_some() && config.normalisation == LevelNormalisation::None && !config.mean_subtraction;
    let mut content = Content {
        looked: framing.is_some(),
        near_duplicates: Vec::new(),
        silence: of_each.iter().map(|(silence, _, _)| *silence).collect(),
        level: of_each.iter().filter(|_| is_level_known).map(|(_, level, _)| *level).collect(),
    };
    let sketches: Vec<Sketch> = of_each.into_iter().filter_map(|(_, _, sketch)| sketch).collect();
    if let Some(framing) = &framing {
        let pairs = near_duplicates(framing, sketches, |position| beginning(position, values))?;
        let stored = |(first, second, similarity): (usize, usize, f32)| {
            (first as u32, second as u32, (similarity * 1000.0).round() as u32)
        };
        content.near_duplicates = pairs.into_iter().map(stored).collect();
    }
    Ok(content)
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
