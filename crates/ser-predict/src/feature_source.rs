//! What computes the features that a model reads: the extractor of preparation, or a pretrained encoder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ser_audio::Limits;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_encoder::{Encoder, EncoderExtractors};
use ser_features::FeatureConfig;
use ser_prepare::Extractors;
use tch::Device;

use crate::FrontEnd;

/// The folder of a pretrained encoder, which is read when it is first needed. Clones share its weights.
#[derive(Debug, Clone)]
pub struct EncoderFolder {
    path: PathBuf,
    opened: Arc<Mutex<Option<Encoder>>>,
}

impl EncoderFolder {
    /// The one at `path`, a Hugging Face folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), opened: Arc::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The encoder, in f32 on the CPU.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    fn open(&self) -> Result<Encoder> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let encoder = match &mut *opened {
            Some(encoder) => encoder,
            none => none.insert(Encoder::open(&self.path, Device::Cpu)?),
        };
        Ok(encoder.share())
    }
}

impl PartialEq for EncoderFolder {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

/// What computes the features of one model, on any number of threads.
#[derive(Debug, Clone)]
pub struct FeatureSource {
    features: FeatureConfig,
    encoder: Option<Arc<EncoderExtractors>>,
}

impl FeatureSource {
    /// What computes `features`. Those of a pretrained encoder need its folder.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where that is not given, [`ErrorKind::Mismatch`] where it is another encoder's, and as
    /// [`Encoder::open`].
    pub fn new(features: FeatureConfig, folder: Option<&EncoderFolder>) -> Result<Self> {
        let Some(states) = &features.encoder else { return Ok(Self { features, encoder: None }) };
        let Some(folder) = folder else {
            let what = format!("reads the states of a {} encoder, whose folder is not given", states.family);
            return Err(Error::new(ErrorKind::Usage, what).help(remedy![
                "name the folder that the cache was prepared with: ",
                Setting::Encoder.to("DIR")
            ]));
        };
        let encoder = folder.open()?;
        let found = encoder.digest();
        let extractors = EncoderExtractors::new(encoder, &features).map_err(|_| {
            let what = format!(
                "was trained on the states of the {} encoder with the digest {:.12}, and that in {} has {:.12}",
                states.family,
                states.digest,
                folder.path().display(),
                found.to_string()
            );
            Error::new(ErrorKind::Mismatch, what)
                .help("give the folder that the cache was prepared with, as it was")
        })?;
        Ok(Self { features, encoder: Some(Arc::new(extractors)) })
    }

    /// The features that it computes.
    pub fn features(&self) -> &FeatureConfig {
        &self.features
    }

    /// The extractors of an encoder; none where preparation needs no others than its own.
    pub fn extractors(&self) -> Option<&dyn Extractors> {
        self.encoder.as_deref().map(|extractors| extractors as _)
    }

    /// The longest recording of which nothing is left out, seconds.
    pub fn longest_s(&self) -> f64 {
        let features = &self.features;
        let hop = features.hop_length as f64 / f64::from(features.sample_rate);
        self.encoder.as_ref().map_or(features.max_frames as f64 * hop, |encoder| encoder.longest_s())
    }

    /// A thread's front end for files within `limits`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn front_end(&self, limits: Limits) -> Result<FrontEnd> {
        FrontEnd::new(&self.features, self.extractors(), limits)
    }
}
