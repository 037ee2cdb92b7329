//! A pretrained encoder in front of a network, some of whose tensors are weights of the network.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind};
use ser_encoder::Change;
use ser_model::network::{LowRank, layer_of};
use tch::{Kind, Tensor};

use super::{Compute, Flow, Form, Forward, Places};
use crate::network::parameters::to_vec_f32;
use ser_torch::Result;

/// From waveforms to the mean over real frames of the encoder's last states, in f32.
#[derive(Debug)]
pub(super) struct Encoder {
    /// By names of the encoder's own tensors.
    parts: BTreeMap<String, Part>,
    /// Whether frames are hidden in training.
    time_masks: bool,
    /// The first layer that something learns in, if values inside of layers are not kept in training.
    replayed_from: Option<usize>,
}

/// Where what takes the place of a tensor lies.
#[derive(Debug, Clone, Copy)]
enum Part {
    Whole(usize),
    LowRank { a: usize, b: usize, scale: f64 },
}

impl Encoder {
    pub(super) fn new<'a>(
        places: &Places,
        name: &str,
        tensors: impl Iterator<Item = &'a String>,
        low_rank: Option<LowRank>,
    ) -> Result<Self> {
        let part = |tensor: &String| -> Result<(String, Part)> {
            let place = format!("{name}.{tensor}");
            let part = match low_rank {
                None => Part::Whole(places.weight(&place)?),
                Some(added) => {
                    let place = LowRank::place(&place);
                    let a = places.weight(&format!("{place}.lora_a"))?;
                    let b = places.weight(&format!("{place}.lora_b"))?;
                    Part::LowRank { a, b, scale: added.scale() }
                }
            };
            Ok((tensor.clone(), part))
        };
        Ok(Self { parts: tensors.map(part).collect::<Result<_>>()?, time_masks: false, replayed_from: None })
    }

    /// The same with frames that are hidden in training if `time_masks`, and with values inside of layers that are computed
    /// again in the backward pass if `checkpointing`.
    pub(super) fn learning(self, time_masks: bool, checkpointing: bool) -> Self {
        // Where nothing of the encoder learns, nothing is kept anyway.
        let first = self.parts.keys().filter_map(|tensor| layer_of(tensor)).min();
        Self { time_masks, replayed_from: first.filter(|_| checkpointing), ..self }
    }

    fn changes(&self, leaves: &[Tensor]) -> BTreeMap<String, Change> {
        let leaf = |place: usize| leaves[place].shallow_clone();
        let change = |part: Part| match part {
            Part::Whole(place) => Change::Whole(leaf(place)),
            Part::LowRank { a, b, scale } => Change::LowRank { a: leaf(a), b: leaf(b), scale },
        };
        self.parts.iter().map(|(name, part)| (name.clone(), change(*part))).collect()
    }
}

impl Compute for Encoder {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let Some(encoder) = forward.encoder else {
            let what = "the network begins with a pretrained encoder, which it was not given";
            return Err(Error::new(ErrorKind::Missing, what).into());
        };
        let mut encoder = encoder.with(self.changes(forward.leaves))?;
        let lengths = input.lengths()?;
        let samples = to_vec_f32(&input.x)?; // [B, 1, sample, 1]
        let rows = samples.chunks_exact(lengths.positions().max(1) as usize).zip(lengths.real());
        let utterances: Vec<&[f32]> =
            rows.map(|(row, real)| row.get(..*real as usize).unwrap_or(row)).collect();
        if let Some(random) = forward.dropping.as_mut().filter(|_| self.time_masks) {
            let own: Vec<usize> = utterances.iter().map(|samples| samples.len()).collect();
            let mut unit = || f64::from(random.unit());
            match forward.sharing {
                None => encoder.hide_frames(&own, 0..own.len(), &mut unit),
                // What is drawn for an utterance follows what is drawn for those before it.
                Some(sharing) => {
                    let all = sharing.lengths_of_all(lengths.most())?;
                    encoder.hide_frames(&all, sharing.part.rows(), &mut unit);
                }
            }
        }
        let x = match (forward.training(), self.replayed_from) {
            (true, Some(from)) => {
                let (states, lengths, replay) = encoder.last_states_to_replay(&utterances, from)?;
                forward.replays.push(replay);
                mean_over_frames((states, lengths))?
            }
            (true, None) => mean_over_frames(encoder.last_states(&utterances)?)?,
            // One by one, so that an answer is the same to the bit whatever else is asked.
            (false, _) => {
                let alone = |utterance: &&[f32]| mean_over_frames(encoder.last_states(&[utterance])?);
                Tensor::f_cat(&utterances.iter().map(alone).collect::<Result<Vec<_>>>()?, 0)?
            }
        };
        Ok(Flow { x, form: Form::Vector, ..input })
    }
}

/// `[B, D]` for states `[B, frame, D]`, of which so many of each utterance are real.
fn mean_over_frames((states, lengths): (Tensor, Vec<i64>)) -> Result<Tensor> {
    if let [length] = lengths.as_slice() {
        let real = states.f_narrow(1, 0, *length)?;
        return Ok(real.f_mean_dim([1i64].as_slice(), false, Kind::Float)?);
    }
    let frames = states.size().get(1).copied().unwrap_or_default();
    let lengths = Tensor::f_from_slice(&lengths)?.f_to(states.device())?.f_unsqueeze(1)?; // [B, 1]
    let frame = Tensor::f_arange(frames, (Kind::Int64, states.device()))?.f_unsqueeze(0)?;
    let weight = frame.f_lt_tensor(&lengths)?.f_to_kind(Kind::Float)?.f_div(&lengths)?; // [B, frame]
    Ok(weight.f_unsqueeze(1)?.f_bmm(&states)?.f_squeeze_dim(1)?)
}
