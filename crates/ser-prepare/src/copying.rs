//! Makes the augmented copies of recordings: the same bits in `ser-prep` and wherever a tensor is computed again.

use ser_audio::LevelNormalisation;
use ser_cache::{CopySettings, Sha};
use ser_core::Result;
use ser_features::FeatureConfig;
use ser_features::augmentation::Augmenter;

/// Makes copies of decoded recordings, with buffers that are kept; give every thread its own.
#[derive(Debug)]
pub(super) struct Copier {
    copies: CopySettings,
    augmenter: Augmenter,
    normalisation: LevelNormalisation,
    samples: Vec<f32>,
}

impl Copier {
    /// # Errors
    /// When the recipe in `copies` was made by another version, or cannot be done at the sample rate of `features`.
    pub(super) fn new(copies: &CopySettings, features: &FeatureConfig) -> Result<Self> {
        Ok(Self {
            copies: copies.clone(),
            augmenter: Augmenter::new(&copies.recipe()?, features.sample_rate)?,
            normalisation: features.normalisation,
            samples: Vec::new(),
        })
    }

    /// What it makes.
    pub(super) fn copies(&self) -> &CopySettings {
        &self.copies
    }

    /// The samples of copy `number` of the file with this `content`, which was decoded to `original`; normalised as it.
    ///
    /// # Errors
    /// When the samples cannot be augmented or normalised.
    pub(super) fn copy(&mut self, content: &Sha, number: u32, original: &[f32]) -> Result<&[f32]> {
        let mut random = self.copies.random(content, number);
        // No recipe kept in a cache has babble.
        self.augmenter.augment(original, &mut random, &mut |_| None, &mut self.samples)?;
        self.normalisation.apply(&mut self.samples)?;
        Ok(&self.samples)
    }
}
