//! One shard: its bytes against its name, its header against the index, and, if it is damaged, which rows.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use ser_core::progress::Progress;
use ser_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::care::SalvagedShard;
use crate::care::damage::{Damage, DamageKind, DamagedRow};
use crate::care::open::open_regular;
use crate::care::remains::read_header;
use crate::{FeatureSet, Hex, Sha, Shard, TensorEntry, layout_of};

/// Bytes read at a time; progress is told in these. They fit a processor's cache.
pub(super) const PIECE: usize = 1 << 18;

/// Compares the bytes of the shard at `path` with its `name`. Without a mapping, so that not even a file that
/// shrinks meanwhile can end the process. `Ok` holds its length and whether they agree.
pub(super) fn has_its_name(path: &Path, name: &Sha, progress: &dyn Progress) -> Result<(u64, bool)> {
    let io = |error| Error::io("cannot be read", path, error);
    let mut file = open_regular(path)?;
    let (mut hasher, mut length, mut told) = (Sha256::new(), 0, 0);
    let mut piece = vec![0; PIECE];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io(error)),
        };
        hasher.update(piece.get(..read).unwrap_or_default());
        length += read as u64;
        progress.advance((length >> 20) - told);
        told = length >> 20;
    }
    Ok((length, Hex(hasher.finalize().into()) == *name))
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
    if let Err(error) = Shard::open(path, &layout_of(set)) {
        return Some(format!("is intact, but disagrees with the index: {}", error.reason()));
    }
    let header = open_regular(path).ok().and_then(|file| {
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
