//! A side of a split, opened for reading.

use rayon::prelude::*;

use super::digest::Checksum;
use super::shard::Shard;
use crate::Result;

/// The tensors of a side of a split, in the mapped shards.
#[derive(Debug)]
pub struct Dataset {
    pub(super) shape: [usize; 3],
    pub(super) shards: Vec<Shard>,
    pub(super) rows: Vec<DatasetRow>,
}

/// Where an utterance lies and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct DatasetRow {
    pub(super) shard: usize,
    pub(super) position: usize,
    pub(super) frames: u32,
    pub(super) label: usize,
    pub(super) checksum: Checksum,
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

    /// Shape of one utterance's tensor: `[channel, n_mfcc, frame]`.
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

    /// The tensors of the utterances `indices`, `[n, channel, n_mfcc, frame]`, as stretches of the mapped shards:
    /// utterances that lie one after another come in one piece.
    ///
    /// # Errors
    /// When a shard is shorter than the index says.
    pub fn stretches(&self, indices: &[usize]) -> Result<Vec<&[f32]>> {
        let mut stretches = Vec::new();
        let mut pending: Option<(usize, usize, usize)> = None;
        for &index in indices {
            let DatasetRow { shard, position, .. } = self.rows[index];
            pending = Some(match pending {
                Some((s, first, count)) if s == shard && position == first + count => (s, first, count + 1),
                other => {
                    if let Some((s, first, count)) = other {
                        stretches.push(self.shards[s].features(first, count)?);
                    }
                    (shard, position, 1)
                }
            });
        }
        if let Some((s, first, count)) = pending {
            stretches.push(self.shards[s].features(first, count)?);
        }
        Ok(stretches)
    }
}
