//! A checkpoint that answers.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ser_audio::Limits;
use ser_cache::Sha;
use ser_core::storage::open_regular;
use ser_core::{Error, Result};
use ser_encoder::Encoders;
use ser_features::FeatureConfig;
use ser_model::calibration::{Calibrator, SetThreshold};
use ser_model::checkpoint::{Checkpoint, MAX_FILE_BYTES};
use ser_model::domain::{DomainReference, OUT_OF_DOMAIN_LEVEL, describe};
use ser_model::{LearntFrom, SoundDigest};
use ser_train::predict::Predictor;
use ser_train::state::Origin;

use crate::{About, Answer, Clip, FrontEnd, FrontEnds, HeardIn};

/// How a model is to answer.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// `auto`, `cpu`, `cuda` or `cuda:<N>`.
    pub device: String,
    /// Threads of the network; 0 for one per processor.
    pub threads: u32,
    /// Coverage of the prediction sets, above 0 and below 1.
    pub coverage: f64,
    /// The pretrained encoder, where the model reads the states of one, as in preparation on the CPU, or begins with one.
    pub encoders: Encoders,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { device: "auto".to_owned(), threads: 0, coverage: 0.9, encoders: Encoders::default() }
    }
}

/// A checkpoint as it was when its file was read: what becomes of the file later changes no model that is opened from it.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    path: PathBuf,
    bytes: Arc<[u8]>,
}

impl CheckpointFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no regular file; the error names it.
    pub fn read(path: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        // A pipe could wait forever.
        // One byte more than is allowed tells a larger file from one just so large.
        open_regular(path, "cannot be read")?
            .take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("cannot be read", path, error))?;
        Ok(Self { path: path.to_owned(), bytes: bytes.into() })
    }
}

/// A trained model with everything that its answers need.
#[derive(Debug)]
pub struct Model {
    about: About,
    front_ends: FrontEnds,
    predictor: Predictor,
    calibration: Option<(Calibrator, SetThreshold)>,
    learnt: Option<LearntFrom>,
    domain: Option<DomainReference>,
}

impl Model {
    /// Opens the checkpoint at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, cannot answer for single recordings, or the device is not there. Every error
    /// names it.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self> {
        Self::of(&CheckpointFile::read(path)?, options)
    }

    /// Opens a checkpoint that was read before, and as often as it is asked for.
    ///
    /// # Errors
    /// As [`open`](Self::open), but that its file may be gone.
    pub fn of(checkpoint: &CheckpointFile, options: &ModelOptions) -> Result<Self> {
        let CheckpointFile { path, bytes } = checkpoint;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self::from_bytes(name, bytes, options).map_err(|error| error.at(path))
    }

    fn from_bytes(name: String, bytes: &[u8], options: &ModelOptions) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(bytes)?;
        let origin = Origin::of(&checkpoint)?;
        let features = origin.feature_config()?;
        let encoder = options.encoders.extractors(&checkpoint, &features, origin.encoder.as_deref())?;
        let predictor =
            Predictor::new(&checkpoint, &origin, &options.encoders, &options.device, options.threads)?;
        let calibration = Calibrator::of(&checkpoint)?
            .map(|calibrator| {
                calibrator.set_threshold(options.coverage).map(|threshold| (calibrator, threshold))
            })
            .transpose()?;
        let learnt = LearntFrom::of(&checkpoint)?;
        let domain = DomainReference::of(&checkpoint)?;
        let mut about =
            About::new(name, Sha::of(&[bytes]), &checkpoint, &origin, &features, learnt.as_ref())?;
        if let Some(encoder) = &encoder {
            about.longest_s = encoder.longest_s();
            about.typical_s = about.typical_s.min(about.longest_s);
        }
        about.calibrated = calibration.is_some();
        about.knows_its_domain = domain.as_ref().is_some_and(DomainReference::can_tell);
        let front_ends = FrontEnds::new(features, encoder);
        Ok(Self { about, front_ends, predictor, calibration, learnt, domain })
    }

    /// What it is and has heard.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Labels in index order.
    pub fn labels(&self) -> &[String] {
        &self.about.labels
    }

    /// What its network reads.
    pub fn features(&self) -> &FeatureConfig {
        self.front_ends.features()
    }

    /// What makes front ends for threads elsewhere.
    pub fn front_ends(&self) -> &FrontEnds {
        &self.front_ends
    }

    /// A thread's front end for files within `limits`.
    ///
    /// # Errors
    /// As [`FrontEnds::front_end`].
    pub fn front_end(&self, limits: Limits) -> Result<FrontEnd> {
        self.front_ends.front_end(limits)
    }

    /// Answers for `clips`, in their order. An answer depends on no other clip.
    ///
    /// # Errors
    /// When a clip is of another front end, or the device lacks memory.
    pub fn answer(&mut self, clips: &[Clip]) -> Result<Vec<Answer>> {
        let features: Vec<f32> = clips.iter().flat_map(|clip| clip.features.iter().copied()).collect();
        let frames: Vec<u32> = clips.iter().map(|clip| clip.frames).collect();
        let raw = self.predictor.predict(&features, &frames)?;
        let classes = self.about.labels.len();
        let rows = raw.logits.chunks_exact(classes).zip(raw.probabilities.chunks_exact(classes));
        let answers = clips.iter().zip(rows.zip(raw.predicted));
        answers
            .map(|(clip, ((logits, plain), predicted))| self.answer_of(clip, logits, plain, predicted))
            .collect()
    }

    /// The answer for `clip`, of which the network gave `logits` and the probabilities `plain`, not calibrated.
    fn answer_of(&self, clip: &Clip, logits: &[f32], plain: &[f32], predicted: usize) -> Result<Answer> {
        let (probabilities, set) = match &self.calibration {
            None => (plain.to_vec(), None),
            Some((calibrator, threshold)) => {
                let calibrated = calibrator.probabilities(logits);
                let set = threshold.classes(&calibrated);
                (calibrated.into_iter().map(|p| p as f32).collect(), Some(set))
            }
        };
        let share_as_unusual = self.share_as_unusual(clip)?;
        Ok(Answer {
            predicted,
            probabilities,
            set,
            share_as_unusual,
            out_of_domain: share_as_unusual
                .filter(|_| self.about.knows_its_domain)
                .map(|share| share <= OUT_OF_DOMAIN_LEVEL),
            heard_in: self.heard_in(&clip.sound),
            frames_cut: clip.frames_cut,
            seconds: clip.seconds,
        })
    }

    fn share_as_unusual(&self, clip: &Clip) -> Result<Option<f64>> {
        let Some(domain) = &self.domain else { return Ok(None) };
        let descriptor = describe(&clip.features, self.features().shape(), clip.frames as usize)?;
        Ok(Some(domain.share_as_unusual(domain.distance(&descriptor)?)))
    }

    /// The prediction set of `probabilities`, which are calibrated; `None` of a model without calibration.
    pub fn set_of(&self, probabilities: &[f32]) -> Option<Vec<usize>> {
        let probabilities: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
        self.calibration.as_ref().map(|(_, threshold)| threshold.classes(&probabilities))
    }

    /// On which side of its training the model met `sound`; in training, where it was on both.
    pub(crate) fn heard_in(&self, sound: &SoundDigest) -> Option<HeardIn> {
        self.learnt.as_ref().and_then(|learnt| heard_in(learnt, sound))
    }
}

fn heard_in(learnt: &LearntFrom, sound: &SoundDigest) -> Option<HeardIn> {
    let sides = [(&learnt.training, HeardIn::Training), (&learnt.validation, HeardIn::Validation)];
    sides.into_iter().find(|(heard, _)| heard.sounds.contains(sound)).map(|(_, side)| side)
}

#[cfg(test)]
mod tests {
    use ser_model::Heard;

    use super::*;

    #[test]
    fn a_sound_is_told_by_the_side_that_it_was_on() {
        let heard = |sounds: &[u8]| Heard {
            sounds: sounds.iter().map(|&sound| [sound; 8]).collect(),
            ..Heard::default()
        };
        let learnt =
            LearntFrom { training: heard(&[1, 2]), validation: heard(&[2, 3]), ..LearntFrom::default() };
        let sides = [1, 2, 3, 4].map(|sound| heard_in(&learnt, &[sound; 8]));
        let (training, validation) = (Some(HeardIn::Training), Some(HeardIn::Validation));
        assert_eq!(sides, [training, training, validation, None]);
        assert_eq!(
            [HeardIn::Training, HeardIn::Validation].map(|side| side.to_string()),
            ["training", "validation"]
        );
    }
}
