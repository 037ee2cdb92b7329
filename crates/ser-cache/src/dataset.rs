//! A side of a split, opened for reading.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use ser_core::Result;

use crate::lock::ReadersLock;
use crate::{Checksum, ReadOptions, Shard};

/// The tensors of a side of a split, in their shards.
#[derive(Debug)]
pub struct Dataset {
    pub(super) shape: [usize; 3],
    pub(super) shards: Vec<Arc<Shard>>,
    pub(super) rows: Vec<DatasetRow>,
    pub(super) access: ReadOptions,
    /// Keeps the shards from being removed.
    pub(super) _readers: Arc<ReadersLock>,
}

/// Where an utterance lies and what it is.
#[derive(Debug)]
pub(super) struct DatasetRow {
    pub(super) shard: usize,
    pub(super) position: usize,
    pub(super) frames: u32,
    pub(super) label: usize,
    pub(super) checksum: Checksum,
    /// Whether the tensor has been compared with its checksum.
    pub(super) checked: AtomicBool,
}

impl Dataset {
    /// How many utterances it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Shape of one utterance's tensor: `[channel, row, frame]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The class of each utterance, as an index into the labels.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.rows.iter().map(|row| row.label)
    }

    /// The class of utterance `index`.
    pub fn label(&self, index: usize) -> usize {
        self.rows[index].label
    }

    /// How many frames of utterance `index` are real.
    pub fn frames(&self, index: usize) -> u32 {
        self.rows[index].frames
    }

    /// Compares every tensor and its number of frames with the index, in parallel.
    ///
    /// # Errors
    /// On the first that differs, naming its shard and row.
    pub fn check(&self) -> Result<()> {
        self.rows
            .par_iter()
            .try_for_each(|row| self.shards[row.shard].check(row.position, row.frames, &row.checksum))
    }

    /// The tensors of the utterances `indices`, `[n, channel, row, frame]`. Mapped utterances that lie one after
    /// another come in one piece, straight from the mapping; others come each in a piece of its own.
    ///
    /// Unless the dataset was opened without, each tensor is compared with its checksum the first time.
    ///
    /// # Errors
    /// When a shard is shorter than the index says, has been cut short, or does not hold what was written.
    pub fn stretches(&self, indices: &[usize]) -> Result<Vec<Cow<'_, [f32]>>> {
        let follows = |a: &usize, b: &usize| {
            let (a, b) = (&self.rows[*a], &self.rows[*b]);
            self.access.map && a.shard == b.shard && a.position + 1 == b.position
        };
        indices.chunk_by(follows).map(|side_by_side| self.stretch(side_by_side)).collect()
    }

    /// Lets the operating system fetch the tensors of the utterances `indices`, which will be needed soon, so that a cache
    /// larger than memory does not stall training.
    pub fn prefetch(&self, indices: &[usize]) {
        for row in indices.iter().filter_map(|index| self.rows.get(*index)) {
            self.shards[row.shard].prefetch(row.position);
        }
    }

    fn stretch(&self, indices: &[usize]) -> Result<Cow<'_, [f32]>> {
        let first = &self.rows[indices[0]];
        let shard = &self.shards[first.shard];
        let stretch = shard.features(first.position, indices.len())?;
        if self.access.verify {
            let row_len = self.shape.iter().product();
            for (index, features) in indices.iter().zip(stretch.chunks_exact(row_len)) {
                let row = &self.rows[*index];
                // What is read again may come from the disk again.
                if !self.access.map || !row.checked.load(Ordering::Relaxed) {
                    shard.check_features(row.position, features, row.frames, &row.checksum)?;
                    row.checked.store(true, Ordering::Relaxed);
                }
            }
        }
        Ok(stretch)
    }
}
