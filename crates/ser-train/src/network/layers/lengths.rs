//! Which positions of a batch are real.

use tch::{Device, Kind, Tensor};

use crate::network::parameters::to_vec_i64;
use ser_torch::Result;

/// How many positions of each utterance are real: the first ones, at least one of each.
#[derive(Debug, Clone)]
pub(crate) struct Lengths {
    real: Vec<i64>,
    /// Positions of every utterance in the batch, real and padding.
    positions: i64,
    /// Positions of the longest utterance there can be.
    most: i64,
    device: Device,
}

impl Lengths {
    /// Of `frames` `[B]`, each brought into 1..=`most`. The batch is cut, or filled up, to the longest of them, rounded up
    /// to a multiple of `unit`: the frames that become one position at the end of the network.
    pub(crate) fn of(frames: &Tensor, most: i64, unit: i64) -> Result<Self> {
        let real: Vec<i64> = to_vec_i64(frames)?.into_iter().map(|frames| frames.clamp(1, most)).collect();
        let longest = real.iter().copied().max().unwrap_or(1);
        let up = |frames: i64| unit * ceiling(frames, unit);
        Ok(Self { real, positions: up(longest), most: up(most), device: frames.device() })
    }

    /// The same for a part of a batch of which the whole has `all` frames `[B]`: cut, or filled up, to the longest of those.
    pub(crate) fn of_part(frames: &Tensor, all: &Tensor, most: i64, unit: i64) -> Result<Self> {
        let positions = Self::of(all, most, unit)?.positions;
        Ok(Self { positions, ..Self::of(frames, most, unit)? })
    }

    /// How many positions of each utterance are real.
    pub(super) fn real(&self) -> &[i64] {
        &self.real
    }

    /// Positions of every utterance in the batch.
    pub(crate) fn positions(&self) -> i64 {
        self.positions
    }

    /// Positions of the longest utterance there can be.
    pub(crate) fn most(&self) -> i64 {
        self.most
    }

    /// Whether there is no padding.
    pub(crate) fn are_full(&self) -> bool {
        self.real.iter().all(|&real| real == self.positions)
    }

    /// After a pooling or a stride of `stride` positions. A window with a real position is real.
    pub(crate) fn divided_by(&self, stride: i64) -> Self {
        let real = self.real.iter().map(|&real| ceiling(real, stride)).collect();
        let [positions, most] = [self.positions, self.most].map(|positions| ceiling(positions, stride));
        Self { real, positions, most, device: self.device }
    }

    /// `[B, position]`, true where real.
    pub(crate) fn is_real(&self) -> Result<Tensor> {
        let position = Tensor::f_arange(self.positions, (Kind::Int64, self.device))?.f_unsqueeze(0)?;
        Ok(position.f_lt_tensor(&self.counts()?)?)
    }

    /// How many are real, `[B, 1]`.
    pub(crate) fn counts(&self) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.real)?.f_to(self.device)?.f_unsqueeze(1)?)
    }

    /// Where each row of `[B · position, …]` goes when every utterance's real positions are turned round. Twice is back.
    pub(super) fn reversal(&self) -> Result<Tensor> {
        let turned = |(utterance, &real): (usize, &i64)| {
            let start = utterance as i64 * self.positions;
            (0..self.positions).map(move |at| start + if at < real { real - 1 - at } else { at })
        };
        let places: Vec<i64> = self.real.iter().enumerate().flat_map(turned).collect();
        Ok(Tensor::f_from_slice(&places)?.f_to(self.device)?)
    }

    /// The real rows of `rows` `[B · position, …]`, one after the other.
    pub(super) fn pack(&self, rows: &Tensor) -> Result<Tensor> {
        let sizes: Vec<i64> = self.real.iter().flat_map(|&real| [real, self.positions - real]).collect();
        let pieces = rows.f_split_with_sizes(sizes, 0)?;
        let real: Vec<&Tensor> = pieces.iter().step_by(2).collect();
        Ok(Tensor::f_cat(&real, 0)?)
    }

    /// What [`Self::pack`] takes apart, with zeros for the padding.
    pub(super) fn unpack(&self, real: &Tensor) -> Result<Tensor> {
        let mut padding = real.size();
        padding[0] = self.real.iter().map(|real| self.positions - real).max().unwrap_or(0);
        let padding = Tensor::f_zeros(&padding, (real.kind(), real.device()))?;
        let real = real.f_split_with_sizes(self.real.as_slice(), 0)?;
        let mut pieces = Vec::with_capacity(2 * real.len());
        for (piece, length) in real.into_iter().zip(&self.real) {
            pieces.push(piece);
            pieces.push(padding.f_narrow(0, 0, self.positions - length)?);
        }
        Ok(Tensor::f_cat(&pieces, 0)?)
    }
}

fn ceiling(count: i64, stride: i64) -> i64 {
    (count + stride - 1) / stride
}
