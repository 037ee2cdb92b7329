//! One shard: its bytes against its name, its header against the index, and, if it is damaged, which rows.

use std::collections::BTreeSet;
use std::path::Path;

use ser_core::progress::Progress;
use ser_core::storage::open_regular_no_follow;
use ser_core::{Error, Result};

use crate::care::verify::damage::{Damage, DamageKind, DamagedRow};
use crate::shard::salvage::read_header;
use crate::{FeatureSet, SalvagedShard, Sha, Shard, TensorEntry};

const CANNOT_OPEN: &str = "cannot be opened";

/// Compares the bytes of the shard at `path` with its `name`. Without a mapping, so that not even a file that
/// shrinks meanwhile can end the process. `Ok` holds its length and whether they agree.
pub(super) fn has_its_name(path: &Path, name: &Sha, progress: &dyn Progress) -> Result<(u64, bool)> {
    let mut file = open_regular_no_follow(path, CANNOT_OPEN)?;
    let mut told = 0;
    let (digest, length) = Sha::of_reader(&mut file, |length| {
        progress.advance((length >> 20) - told);
        told = length >> 20;
    })
    .map_err(|error| Error::io("cannot be read", path, error))?;
    Ok((length, digest == *name))
}

/// What is wrong with the shard at `path`, in which the index has `entries` of `set`. `read` is what
/// [`has_its_name`] said of it.
pub(super) fn examine(
    path: &Path,
    shown: &str,
    set: &FeatureSet,
    entries: &[&TensorEntry],
    read: &Result<(u64, bool)>,
) -> Option<Damage> {
    let damage = |kind, what: String, rows| Damage { kind, path: shown.to_owned(), what, rows };
    match read {
        Ok((_, true)) => {
            let what = disagreement(path, set, entries)?;
            Some(damage(DamageKind::Index, what, Vec::new()))
        }
        read => {
            let remains = SalvagedShard::of(path, set, entries);
            let missing = !path.exists();
            let rows: Vec<DamagedRow> = (0..remains.rows().len())
                .filter(|position| missing || remains.tensor(*position).is_none())
                .map(|position| {
                    let row = remains.rows().get(position).and_then(Option::as_ref);
                    DamagedRow { row: position, key: row.map(|row| row.key), sources: Vec::new() }
                })
                .collect();
            let of = remains.rows().len();
            let what = match (missing, read, rows.len()) {
                (true, ..) => format!("is missing, with {of} rows"),
                (_, Err(error), _) => format!("{}; {} of {of} rows are lost", error.reason(), rows.len()),
                (_, Ok((length, _)), 0) => {
                    format!(
                        "has changed since it was written ({length} bytes), though each of its {of} rows is intact"
                    )
                }
                (_, Ok((length, _)), lost) => {
                    format!(
                        "has changed since it was written ({length} bytes): {lost} of {of} rows are damaged"
                    )
                }
            };
            Some(damage(DamageKind::Shard, what, rows))
        }
    }
}

/// Where the index disagrees with an intact shard.
fn disagreement(path: &Path, set: &FeatureSet, entries: &[&TensorEntry]) -> Option<String> {
    if let Err(error) = Shard::open(path, &set.layout()) {
        return Some(format!("is intact, but disagrees with the index: {}", error.reason()));
    }
    let header = open_regular_no_follow(path, CANNOT_OPEN).ok().and_then(|file| {
        let length = file.metadata().ok()?.len();
        read_header(&file, length)
    });
    let Some((_, rows)) = header else {
        return Some("is intact, but does not list its rows".to_owned());
    };
    let wrong: BTreeSet<u32> = (entries.iter())
        .filter(|entry| rows.get(entry.position as usize) != Some(&entry.row))
        .map(|entry| entry.position)
        .collect();
    let first = wrong.first()?;
    Some(format!("is intact, but the index disagrees about {} rows (the first: {first})", wrong.len()))
}
