//! Which frames of a batch are real.

use ser_torch::Result;
use tch::{Device, Kind, Tensor};

/// How many frames of each utterance of a batch are real; the others fill it up.
#[derive(Debug)]
pub(crate) struct Frames {
    lengths: Vec<i64>,
    /// Unless all utterances are equally long.
    masks: Option<Masks>,
}

#[derive(Debug)]
struct Masks {
    /// 1 for real frames and 0 for the others, `[B, frame, 1]`.
    real: Tensor,
    /// What is added to attention scores: 0 for real keys and −∞ for the others, `[B, 1, 1, key]`.
    attention: Tensor,
}

impl Frames {
    /// The frames of utterances of these lengths, at least one.
    pub(crate) fn new(lengths: Vec<i64>, device: Device) -> Result<Self> {
        let most = lengths.iter().copied().max().unwrap_or_default();
        if lengths.iter().all(|length| *length == most) {
            return Ok(Self { lengths, masks: None });
        }
        let position = Tensor::f_arange(most, (Kind::Int64, device))?.f_unsqueeze(0)?;
        let lengths_of = Tensor::f_from_slice(&lengths)?.f_to_device(device)?.f_unsqueeze(1)?;
        let real = position.f_lt_tensor(&lengths_of)?; // [B, frame]
        let attention = Tensor::f_zeros([lengths.len() as i64, 1, 1, most], (Kind::Float, device))?
            .f_masked_fill(&real.f_logical_not()?.f_unsqueeze(1)?.f_unsqueeze(1)?, f64::NEG_INFINITY)?;
        let real = real.f_to_kind(Kind::Float)?.f_unsqueeze(2)?;
        Ok(Self { lengths, masks: Some(Masks { real, attention }) })
    }

    /// Real frames of each utterance.
    pub(crate) fn lengths(&self) -> &[i64] {
        &self.lengths
    }

    /// `x` `[B, frame, D]` with zeros where there is nothing real.
    pub(crate) fn masked(&self, x: Tensor) -> Result<Tensor> {
        match &self.masks {
            Some(masks) => Ok(x.f_mul(&masks.real)?),
            None => Ok(x),
        }
    }

    /// What is added to attention scores, `[B, 1, 1, key]`, unless all keys are real.
    pub(crate) fn attention(&self) -> Option<&Tensor> {
        self.masks.as_ref().map(|masks| &masks.attention)
    }
}
