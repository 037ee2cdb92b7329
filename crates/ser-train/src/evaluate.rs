//! The predictions of a network for every utterance of a dataset.

use ser_cache::Dataset;
use ser_core::progress::Progress;
use ser_distributed::Ranks;
use ser_eval::metrics::{ConfusionMatrix, Metrics, mean_cross_entropy, most_probable};
use tch::{Kind, Tensor};

use crate::batches::Batches;
use crate::network::parameters::to_vec_f32;
use crate::network::{Network, Pass};
use ser_torch::Result;

/// Utterances predicted at once. An utterance's result does not depend on it.
const EVALUATION_BATCH: usize = 64;

/// Predictions for a dataset, in its order.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Logits, or averaged log-probabilities of an ensemble, `[utterance, class]`, row-major.
    pub logits: Vec<f32>,
    /// Probability of each class for each utterance, `[utterance, class]`, row-major; not calibrated.
    pub probabilities: Vec<f32>,
    /// True class of each utterance.
    pub truth: Vec<usize>,
    /// Most probable class of each utterance.
    pub predicted: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

impl Predictions {
    /// Mean cross-entropy, nats for each utterance.
    ///
    /// # Errors
    /// When there are no utterances.
    pub fn loss(&self) -> Result<f64> {
        Ok(mean_cross_entropy(&self.truth, &self.probabilities, self.classes)?)
    }

    /// Accuracy, UAR and the rest.
    ///
    /// # Errors
    /// When there are no utterances.
    pub fn metrics(&self) -> Result<Metrics> {
        let mut counts = ConfusionMatrix::new(self.classes)?;
        counts.add_batch(&self.truth, &self.predicted)?;
        Ok(counts.metrics()?)
    }
}

/// Predicts every utterance of `dataset`.
///
/// # Errors
/// When a shard cannot be read or the device lacks memory.
pub fn evaluate(
    network: &mut Network,
    dataset: &Dataset,
    batches: &Batches<'_>,
    progress: &dyn Progress,
) -> Result<Predictions> {
    let classes = network.architecture().classes;
    let mut probabilities = Vec::with_capacity(dataset.len() * classes);
    let mut all_logits = Vec::with_capacity(dataset.len() * classes);
    let all: Vec<usize> = (0..dataset.len()).collect();
    progress.start(all.len() as u64, "utterances");
    for portion in all.chunks(EVALUATION_BATCH) {
        let batch = batches.get(portion)?;
        let logits = tch::no_grad(|| network.forward(&batch.features, &batch.frames, Pass::Evaluation))?;
        all_logits.extend(to_vec_f32(&logits)?);
        probabilities.extend(to_vec_f32(&logits.f_softmax(1, Kind::Float)?)?);
        progress.advance(portion.len() as u64);
    }
    progress.finish();
    let predicted = probabilities.chunks_exact(classes).map(most_probable).collect();
    let logits = all_logits;
    Ok(Predictions { logits, probabilities, truth: dataset.labels().collect(), predicted, classes })
}

/// The same where each of the `ranks` predicts a part of them and all learn of all.
///
/// # Errors
/// Those of [`evaluate`], and when a rank is gone.
pub(crate) fn evaluate_together(
    network: &mut Network,
    dataset: &Dataset,
    batches: &Batches<'_>,
    progress: &dyn Progress,
    ranks: &Ranks,
) -> Result<Predictions> {
    if !ranks.are_several() {
        return evaluate(network, dataset, batches, progress);
    }
    let classes = network.architecture().classes;
    // Whole batches of one process, so that the answers are the same to the bit.
    let all: Vec<usize> = (0..dataset.len()).collect();
    let portions: Vec<&[usize]> = all.chunks(EVALUATION_BATCH).collect();
    let mut logits = vec![0.0_f32; all.len() * classes];
    for portion in &portions[ranks.rows(portions.len())] {
        let batch = batches.get(portion)?;
        let own = tch::no_grad(|| network.forward(&batch.features, &batch.frames, Pass::Evaluation))?;
        logits[portion[0] * classes..][..portion.len() * classes].copy_from_slice(&to_vec_f32(&own)?);
    }
    let logits = ranks.sum(&Tensor::f_from_slice(&logits)?)?;
    let each = logits.f_view([all.len() as i64, classes as i64])?;
    let probabilities = to_vec_f32(&each.f_softmax(1, Kind::Float)?)?;
    let predicted = probabilities.chunks_exact(classes).map(most_probable).collect();
    let logits = to_vec_f32(&logits)?;
    Ok(Predictions { logits, probabilities, truth: dataset.labels().collect(), predicted, classes })
}
