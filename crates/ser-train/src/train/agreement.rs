//! What several ranks compare and average, so that they go on with one network.

use ser_core::Result;
use ser_model::BatchNorm;

use super::Trainer;
use crate::network::parameters::to_vec_f32;
use crate::state::TrainingState;

impl Trainer<'_> {
    /// Where ranks have kept BatchNorm's statistics to themselves, makes them the same.
    ///
    /// # Errors
    /// When a rank is gone.
    pub(super) fn average_statistics(&mut self) -> Result<()> {
        match self.ranks.are_several() && self.config.batch_norm == BatchNorm::Local {
            true => Ok(self.learner.network.average_statistics(self.ranks)?),
            false => Ok(()),
        }
    }

    /// Looks whether all ranks are where this one is: `what` is the name of that. Ranks whose weights differ would go on and
    /// learn something that no network of theirs is.
    ///
    /// # Errors
    /// When they differ in epoch, step or weights, or a rank is gone.
    pub(super) fn agree_on_weights(&self, what: &str) -> Result<()> {
        if !self.ranks.are_several() {
            return Ok(());
        }
        let TrainingState { epoch, step, .. } = self.standing;
        self.ranks.agree_on_number(&format!("the epoch of {what}"), i64::from(epoch))?;
        self.ranks.agree_on_number(&format!("the step of {what}"), step as i64)?;
        let mut sum = crc32c::crc32c(&[]);
        for tensor in self.learner.network.state() {
            let bytes: Vec<u8> = to_vec_f32(&tensor)?.into_iter().flat_map(f32::to_le_bytes).collect();
            sum = crc32c::crc32c_append(sum, &bytes);
        }
        self.ranks.agree_on_number(&format!("the checksum of {what}"), i64::from(sum))
    }
}
