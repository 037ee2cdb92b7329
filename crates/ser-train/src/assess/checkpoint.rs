//! A checkpoint that is assessed: what it answers for utterances of a cache, and the evaluation of these answers.

use std::path::Path;

use ser_cache::{Dataset, Utterance};
use ser_core::progress::Progress;
use ser_core::{Error, ErrorKind, Result};
use ser_eval::{
    Doubt, Evaluation, OutOfDomain, Prediction, Provenance, RawAnswers, Uncertainty, training_in_words,
};
use ser_model::LearntFrom;
use ser_model::calibration::{Calibrator, check_coverage};
use ser_model::checkpoint::Checkpoint;
use ser_model::domain::DomainReference;

use crate::assess::AssessOptions;
use crate::batches::Batches;
use crate::batches::normalisation::normaliser_of;
use crate::device;
use crate::domain::distances;
use crate::evaluate::{Predictions, evaluate};
use crate::state::Origin;
use crate::trained::{self, network_of};

/// A checkpoint, with what it carries to judge its answers by.
pub(crate) struct AssessedCheckpoint<'a> {
    options: &'a AssessOptions,
    pub(crate) checkpoint: Checkpoint,
    /// How it was trained.
    pub(crate) origin: Origin,
    calibrator: Option<Calibrator>,
    pub(crate) domain: Option<DomainReference>,
}

/// What a network answered for some utterances.
pub(crate) struct Answered {
    /// Its answers, not calibrated.
    pub(crate) said: Predictions,
    /// How far each utterance lies from the training side, where the checkpoint knows.
    pub(crate) distances: Option<Vec<f64>>,
}

impl<'a> AssessedCheckpoint<'a> {
    /// The checkpoint that `options` name.
    ///
    /// # Errors
    /// When it is damaged or none of ours, or the coverage that is asked for is not one. Every error but the last names it.
    pub(crate) fn read(options: &'a AssessOptions) -> Result<Self> {
        check_coverage(options.coverage)?;
        let (checkpoint, origin) = trained::read(&options.checkpoint)?;
        let calibrator = Calibrator::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
        let domain = DomainReference::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
        Ok(Self { options, checkpoint, origin, calibrator, domain })
    }

    /// What its network answers for `utterances`, which are those of `dataset`.
    ///
    /// # Errors
    /// When the network is for utterances of another shape, its encoder is not found, a shard cannot be read, or the device
    /// lacks memory.
    pub(crate) fn answers(
        &self,
        dataset: &Dataset,
        utterances: &[Utterance],
        progress: &dyn Progress,
    ) -> Result<Answered> {
        let Self { options, checkpoint, origin, .. } = self;
        if dataset.shape() != origin.model.input_shape {
            let what = format!(
                "its network takes utterances of shape {:?}, its feature set holds {:?}",
                origin.model.input_shape,
                dataset.shape()
            );
            return Err(Error::new(ErrorKind::Mismatch, what).at(&options.checkpoint));
        }
        let (device, _) = device::set_up(&options.device, options.threads)?;
        let mut network = network_of(checkpoint, origin, &options.encoders, device)
            .map_err(|error| error.at(&options.checkpoint))?;
        let way = origin.fit.feature_normalisation;
        let normaliser = normaliser_of(checkpoint, way, dataset, utterances, device)
            .map_err(|error| error.at(&options.checkpoint))?;
        let batches = Batches::new(dataset, device)?.normalised_by(normaliser);
        let said = evaluate(&mut network, dataset, &batches, progress)?;
        let distances =
            self.domain.as_ref().map(|domain| distances(domain, dataset, utterances)).transpose()?;
        Ok(Answered { said, distances })
    }

    /// The evaluation of `answered` for the recordings at `paths`, whose classes are `labels`, and the answers themselves,
    /// calibrated where the checkpoint can.
    ///
    /// # Errors
    /// When there are none, or they are no numbers.
    pub(crate) fn evaluation(
        &self,
        labels: Vec<String>,
        paths: &[&str],
        answered: &Answered,
        provenance: Provenance,
    ) -> Result<(Evaluation, Vec<Prediction>)> {
        let predictions = self.predictions(paths, answered)?;
        let evaluation = Evaluation::new(labels, &predictions, provenance)?
            .with_uncertainty(self.uncertainty(&answered.said)?)
            .with_out_of_domain(self.out_of_domain(answered.distances.as_deref())?);
        Ok((evaluation, predictions))
    }

    fn predictions(&self, paths: &[&str], answered: &Answered) -> Result<Vec<Prediction>> {
        let Predictions { logits, probabilities, truth, predicted, classes } = &answered.said;
        let coverage = self.options.coverage;
        let calibrator = match &self.calibrator {
            Some(calibrator) => Some((calibrator, calibrator.set_threshold(coverage)?)),
            None => None,
        };
        let distances = answered.distances.iter().flatten().copied().map(Some).chain(std::iter::repeat(None));
        let rows = probabilities.chunks_exact(*classes).zip(logits.chunks_exact(*classes));
        let answers = rows.zip(predicted).zip(truth).zip(paths).zip(distances);
        let predictions = answers.map(|(((((plain, logits), predicted), truth), path), distance)| {
            let (probabilities, doubt) = match &calibrator {
                Some((calibrator, threshold)) => {
                    let calibrated = calibrator.probabilities(logits);
                    let doubt = Doubt { coverage, set: threshold.classes(&calibrated) };
                    (calibrated.iter().map(|probability| *probability as f32).collect(), Some(doubt))
                }
                None => (plain.to_vec(), None),
            };
            let share_as_unusual =
                self.domain.as_ref().zip(distance).map(|(domain, far)| domain.share_as_unusual(far));
            let prediction = Prediction::most_probable(*path, *truth, probabilities)?;
            // The same as without a temperature, also where two classes are as good as equally probable.
            Ok(Prediction { predicted: *predicted, doubt, share_as_unusual, ..prediction })
        });
        predictions.collect()
    }

    /// What its calibration does, or why it has none.
    fn uncertainty(&self, said: &Predictions) -> Result<Result<Uncertainty, String>> {
        let Some(calibrator) = &self.calibrator else { return self.not_calibrated().map(Err) };
        let raw = RawAnswers { logits: &said.logits, classes: said.classes, truth: &said.truth };
        Uncertainty::of(calibrator, &raw, self.options.coverage).map(Ok)
    }

    /// How far utterances at these `distances` are from what it has learnt from, or why it does not know.
    fn out_of_domain(&self, distances: Option<&[f64]>) -> Result<Result<OutOfDomain, String>> {
        match self.domain.as_ref().zip(distances) {
            Some((domain, distances)) => OutOfDomain::of(domain, distances).map(Ok),
            None => self.no_reference().map(Err),
        }
    }

    /// Why the checkpoint has no calibration.
    ///
    /// # Errors
    /// When what it has heard is damaged.
    fn not_calibrated(&self) -> Result<String> {
        Ok(match LearntFrom::of(&self.checkpoint)? {
            None => "trained before ser kept a calibration in its checkpoints; train it again for one",
            Some(_) => {
                "not the best checkpoint of a run, which alone has a calibration, or joined without its cache"
            }
        }
        .to_owned())
    }

    /// Why it has no reference for what is out of its domain.
    ///
    /// # Errors
    /// When what it has heard is damaged.
    pub(super) fn no_reference(&self) -> Result<String> {
        Ok(match LearntFrom::of(&self.checkpoint)? {
            Some(_) if self.calibrator.is_none() => {
                "not the best checkpoint of a run, which alone has a reference for it"
            }
            _ => "trained before ser kept a reference for it in its checkpoints; train it again for one",
        }
        .to_owned())
    }

    /// What is evaluated on the cache at `root`. `protocol_in_words` says what `protocol` means, and then what else there is to
    /// say of the utterances.
    pub(crate) fn provenance(
        &self,
        root: &Path,
        protocol: &str,
        protocol_in_words: [Option<String>; 2],
    ) -> Provenance {
        let origin = &self.origin;
        let [meaning, further] = protocol_in_words;
        let training = training_in_words(&origin.fit, &origin.epochs());
        let words: Vec<String> = meaning.into_iter().chain(training).chain(further).collect();
        Provenance {
            checkpoint: self.options.checkpoint.display().to_string(),
            epoch: u64::from(origin.epoch),
            seed: origin.fit.seed,
            members: origin.members.clone(),
            cache: root.display().to_string(),
            protocol: protocol.to_owned(),
            protocol_in_words: words.join(" "),
        }
    }
}
