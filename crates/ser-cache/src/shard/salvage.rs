//! What is still intact in a damaged shard.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use safetensors::tensor::Metadata;
use ser_core::storage::open_regular_no_follow;
use ser_features::ValueType;

use crate::shard::{ALIGNMENT, LARGEST_HEADER};
use crate::{Checksum, FeatureSet, RowInfo, TensorEntry};

/// A damaged shard; nothing in it is trusted unless a checksum confirms it.
#[derive(Debug)]
pub struct SalvagedShard {
    file: Option<File>,
    /// Where its data may start, bytes: by its header, and by its length.
    starts: Vec<u64>,
    row_bytes: usize,
    dtype: ValueType,
    /// What it should hold, row by row; `None` where neither the index nor its header says.
    rows: Vec<Option<RowInfo>>,
}

impl SalvagedShard {
    /// Looks at the shard at `path`, in which the index has `entries` of `set`. It need not be there.
    pub fn of(path: &Path, set: &FeatureSet, entries: &[&TensorEntry]) -> Self {
        let file = open_regular_no_follow(path, "cannot be opened").ok();
        let length = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        let header = file.as_ref().and_then(|file| read_header(file, length));
        let mut rows: Vec<Option<RowInfo>> =
            header.as_ref().map(|(_, rows)| rows.iter().cloned().map(Some).collect()).unwrap_or_default();
        let layout = set.layout();
        let row_bytes = layout.row_bytes();
        for entry in entries {
            let position = entry.position as usize;
            // A damaged header may declare too few; no index may make us reserve more than the set has entries.
            if position >= rows.len() && position < set.entries.len().max(rows.len()).saturating_mul(2) {
                rows.resize(position + 1, None);
            }
            if let Some(row) = rows.get_mut(position) {
                *row = Some(entry.row.clone());
            }
        }
        let data = (rows.len() as u64).saturating_mul(row_bytes as u64 + 4);
        let starts = [header.map(|(start, _)| start), length.checked_sub(data)];
        let mut starts: Vec<u64> = starts.into_iter().flatten().collect();
        starts.retain(|start| start.is_multiple_of(ALIGNMENT as u64));
        starts.dedup();
        Self { file, starts, row_bytes, dtype: layout.dtype, rows }
    }

    /// What it should hold, row by row.
    pub fn rows(&self) -> &[Option<RowInfo>] {
        &self.rows
    }

    /// The tensor that should be in `position`, if it is intact.
    pub fn tensor(&self, position: usize) -> Option<Vec<f32>> {
        let (row, file) = (self.rows.get(position)?.as_ref()?, self.file.as_ref()?);
        let mut bytes = vec![0; self.row_bytes];
        let offset = (position as u64).checked_mul(self.row_bytes as u64)?;
        self.starts.iter().find_map(|start| {
            file.read_exact_at(&mut bytes, start.saturating_add(offset)).ok()?;
            let tensor = self.dtype.from_bytes(&bytes);
            (Checksum::of_row(&tensor, self.dtype, row.frames) == row.checksum).then_some(tensor)
        })
    }
}

/// Where the data starts, and the rows that the header lists.
pub(crate) fn read_header(file: &File, length: u64) -> Option<(u64, Vec<RowInfo>)> {
    let mut size = [0; 8];
    file.read_exact_at(&mut size, 0).ok()?;
    let size = u64::from_le_bytes(size);
    if size > (LARGEST_HEADER as u64).min(length) {
        return None;
    }
    let mut header = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut header, 8).ok()?;
    let metadata: Metadata = serde_json::from_slice(&header).ok()?;
    let rows = metadata.metadata().as_ref()?.get("rows")?;
    Some((size + 8, serde_json::from_str(rows).ok()?))
}
