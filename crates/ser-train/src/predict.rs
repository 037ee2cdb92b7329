//! The answers of a checkpoint for features that are in no cache.

use ser_core::{Error, ErrorKind, Result};
use ser_encoder::Encoders;
use ser_eval::metrics::most_probable;
use ser_model::checkpoint::Checkpoint;
use tch::{Device, Kind, Tensor};

use crate::batches::integers;
use crate::batches::normalisation::Normaliser;
use crate::device;
use crate::network::parameters::to_vec_f32;
use crate::network::{Network, Pass};
use crate::state::Origin;
use crate::trained::network_of;

/// A trained network, ready to answer.
#[derive(Debug)]
pub struct Predictor {
    network: Network,
    normaliser: Normaliser,
}

/// What a network answered for a batch, `[utterance, class]`, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawPredictions {
    /// Logits, or averaged log-probabilities of an ensemble.
    pub logits: Vec<f32>,
    /// Probabilities, not calibrated.
    pub probabilities: Vec<f32>,
    /// Most probable class of each utterance; the first of equals.
    pub predicted: Vec<usize>,
}

impl Predictor {
    /// The network in `checkpoint`, which was trained as `origin` says, on the device `name` (`auto`, `cpu`, `cuda` or
    /// `cuda:<N>`) with `threads` threads; 0 for one per processor. If it begins with a pretrained encoder, that is found
    /// among `encoders`.
    ///
    /// # Errors
    /// When the device or the encoder is not there, the weights do not fit, or the features were normalised by speaker.
    pub fn new(
        checkpoint: &Checkpoint,
        origin: &Origin,
        encoders: &Encoders,
        name: &str,
        threads: u32,
    ) -> Result<Self> {
        let (device, _) = device::set_up(name, threads)?;
        let network = network_of(checkpoint, origin, encoders, device)?;
        let way = origin.fit.feature_normalisation;
        let normaliser = Normaliser::of_any_utterance(checkpoint, way, origin.model.input_shape, device)?;
        Ok(Self { network, normaliser })
    }

    /// Answers for utterances whose `features` `[utterance, channel, band, frame]` lie one after another, as an extractor
    /// leaves them; the first `frames` of each are real. An utterance's answer depends on no other one.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] where the features are of another size; when the device lacks memory.
    pub fn predict(&mut self, features: &[f32], frames: &[u32]) -> Result<RawPredictions> {
        let shape = self.network.architecture().input_shape;
        if features.len() != frames.len() * shape.iter().product::<usize>() {
            let what = format!("{} values cannot be {} utterances {shape:?}", features.len(), frames.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        if frames.is_empty() {
            return Ok(RawPredictions::default());
        }
        Ok(tch::no_grad(|| self.answers(features, frames, shape))?)
    }

    fn answers(
        &mut self,
        features: &[f32],
        frames: &[u32],
        shape: [usize; 3],
    ) -> ser_torch::Result<RawPredictions> {
        let device = self.network.device();
        let [channels, bands, length] = shape.map(|size| size as i64);
        let size = [frames.len() as i64, channels, bands, length];
        let features = Tensor::f_from_slice(features)?.f_view(size)?.f_to(device)?;
        let frames = integers(frames.iter().map(|&count| i64::from(count)), device)?;
        let features = self.normaliser.apply(features, &frames, &[])?;
        let logits = self.network.forward(&features, &frames, Pass::Evaluation)?;
        let probabilities = to_vec_f32(&logits.f_softmax(1, Kind::Float)?)?;
        let classes = self.network.architecture().classes;
        let predicted = probabilities.chunks_exact(classes).map(most_probable).collect();
        Ok(RawPredictions { logits: to_vec_f32(&logits)?, probabilities, predicted })
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.network.device()
    }
}
