//! A step's batch in training by several ranks: each holds a part of its utterances, and what it must know of the others.

use std::ops::Range;

use ser_distributed::Ranks;
use tch::Tensor;

use crate::batches::Batch;
use crate::network::parameters::to_vec_i64;
use ser_torch::Result;

/// Which utterances of a batch a rank holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RankRows {
    /// The place of the first in the batch.
    pub(crate) first: usize,
    /// How many, at least one.
    pub(crate) count: usize,
    /// Whether they count. A rank that a small batch leaves nothing for learns from one utterance of another rank all the
    /// same, since all must do the same sums together, and adds nothing to any of them.
    pub(crate) counts: bool,
}

impl RankRows {
    /// The part of this one of the `ranks` in a batch of `all` utterances, at least one.
    pub(crate) fn of(ranks: &Ranks, all: usize) -> Self {
        let rows = ranks.rows(all);
        Self { first: rows.start, count: rows.len().max(1), counts: !rows.is_empty() }
    }

    /// Their places.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// What a rank knows of the whole batch of which it holds a part.
#[derive(Debug)]
pub struct Sharing<'a> {
    pub(crate) ranks: &'a Ranks,
    pub(crate) part: RankRows,
    /// How many frames of each utterance are real, `[B]` of the whole batch, i64.
    pub(crate) frames: Tensor,
    /// Class of each, `[B]` of the whole batch, i64.
    pub(crate) targets: Tensor,
    /// Class of what each is mixed with, `[B]` of the whole batch, i64, if anything.
    pub(crate) mixed: Option<Tensor>,
    /// Whether BatchNorm takes its statistics over the whole batch.
    pub(crate) synchronised: bool,
}

impl<'a> Sharing<'a> {
    /// All of `batch` in one process.
    pub(crate) fn of_whole(batch: &Batch<'_>, alone: &'a Ranks) -> Self {
        let count = batch.targets.size().first().map_or(0, |&all| all as usize);
        Self {
            ranks: alone,
            part: RankRows { first: 0, count, counts: true },
            frames: batch.frames.shallow_clone(),
            targets: batch.targets.shallow_clone(),
            mixed: batch.mixed.as_ref().map(|mixed| mixed.targets.shallow_clone()),
            synchronised: false,
        }
    }

    /// The utterances `rows` of this part, as a part of the same batch.
    pub(crate) fn narrowed(&self, rows: Range<usize>) -> Self {
        Self {
            ranks: self.ranks,
            part: RankRows { first: self.part.first + rows.start, count: rows.len(), ..self.part },
            frames: self.frames.shallow_clone(),
            targets: self.targets.shallow_clone(),
            mixed: self.mixed.as_ref().map(Tensor::shallow_clone),
            synchronised: self.synchronised,
        }
    }

    /// Utterances of the whole batch.
    pub(crate) fn all(&self) -> usize {
        self.targets.size().first().map_or(0, |&all| all as usize)
    }

    /// How many frames of each utterance of the whole batch are real, each brought into 1..=`most`.
    pub(crate) fn lengths_of_all(&self, most: i64) -> Result<Vec<usize>> {
        let frames = to_vec_i64(&self.frames)?;
        Ok(frames.into_iter().map(|frames| frames.clamp(1, most) as usize).collect())
    }
}
