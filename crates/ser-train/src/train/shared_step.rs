//! One step of several ranks, each with its part of the batch.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use ser_core::Result;
use ser_model::BatchNorm;
use ser_torch::TorchError;
use tch::Tensor;

use super::Trainer;
use crate::batches::sharing::{RankRows, Sharing};
use crate::batches::{Batch, integers};
use crate::state::DeviceSums;

impl<'a> Trainer<'a> {
    /// Which utterances of a batch of `all` this rank reads: its own, or all of them where what becomes of one depends on the
    /// others, as in mixtures, or on what was drawn for them.
    pub(super) fn rows_to_read(&self, all: usize) -> Range<usize> {
        match self.ranks.are_several() && self.config.augment.features.is_empty() {
            true => RankRows::of(self.ranks, all).rows(),
            false => 0..all,
        }
    }

    /// One step of all ranks: from `batch`, which is what [`Self::rows_to_read`] says of the utterances `indices`. Whether any
    /// of the ranks is to stop.
    ///
    /// # Errors
    /// When the device lacks memory, or a rank is gone.
    pub(super) fn step_together(
        &mut self,
        batch: Batch<'_>,
        indices: &[usize],
        stop: &AtomicBool,
        sums: &mut DeviceSums,
    ) -> Result<bool> {
        let (batch, sharing) = self.own_part(batch, indices)?;
        let mut dropout = self.dropout();
        let lr = self.learning_rates.at(self.learner.steps());
        let stop = stop.load(Ordering::Relaxed);
        let (learnt, stopped) = self.learner.step_together(&batch, lr, &mut dropout, &sharing, stop)?;
        self.average_after_step()?;
        if sharing.part.counts {
            sums.add(&learnt.loss, indices.len(), &learnt.logits, &batch.targets)?;
        }
        Ok(stopped)
    }

    /// This rank's part of the batch of the utterances `indices`, and what it must know of the others.
    fn own_part<'b>(&self, batch: Batch<'b>, indices: &[usize]) -> Result<(Batch<'b>, Sharing<'a>)> {
        let part = RankRows::of(self.ranks, indices.len());
        let synchronised = self.config.batch_norm == BatchNorm::Synchronised;
        if self.config.augment.features.is_empty() {
            let frames = self.frames_of_all(&batch, indices, part)?;
            let targets = indices.iter().map(|&index| self.material.train.label(index) as i64);
            let targets = integers(targets, batch.frames.device())?;
            let sharing = Sharing { ranks: self.ranks, part, frames, targets, mixed: None, synchronised };
            return Ok((batch, sharing));
        }
        let all = self.augmented(batch)?;
        let own = all.rows(part.rows())?;
        let sharing = Sharing {
            ranks: self.ranks,
            part,
            frames: all.frames,
            targets: all.targets,
            mixed: all.mixed.map(|mixed| mixed.targets),
            synchronised,
        };
        Ok((own, sharing))
    }

    /// How many frames of each of the utterances `indices` are real, `[B]` of the whole batch, where this rank has read its
    /// `part` of them.
    fn frames_of_all(&self, own: &Batch<'_>, indices: &[usize], part: RankRows) -> Result<Tensor> {
        let device = own.frames.device();
        if let Some(frames) = self.train.frames(indices) {
            return Ok(integers(frames.into_iter(), device)?);
        }
        // Augmentation can change them, so that each rank knows its own alone.
        let all = integers(indices.iter().map(|_| 0), device)?;
        if part.counts {
            let mut place =
                all.f_narrow(0, part.first as i64, part.count as i64).map_err(TorchError::from)?;
            place.f_copy_(&own.frames).map_err(TorchError::from)?;
        }
        Ok(self.ranks.sum(&all)?)
    }
}
