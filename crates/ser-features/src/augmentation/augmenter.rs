//! Applies a recipe: draws what happens to an utterance, then does it.

use std::fmt;

use ser_core::random::Random;
use ser_core::{Error, ErrorKind, Result};

use crate::augmentation::sound::Tools;
use crate::augmentation::{AugmentationRecipe, Babble, Sound, Step};

/// Augments waveforms of one sample rate by one recipe, with buffers that are kept; give every thread its own.
///
/// ```
/// use ser_features::augmentation::{Augmenter, AugmentationRecipe};
/// use ser_core::random::Random;
///
/// let recipe = AugmentationRecipe::from_toml("[[waveform]]\nkind = 'time-stretch'\nfactor = 1.5")?;
/// let mut augmenter = Augmenter::new(&recipe, 16_000)?;
/// let tone: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.1).sin()).collect();
/// let mut longer = Vec::new();
/// let applied = augmenter.augment(&tone, &mut Random::new(&["example", "7"]), &mut |_| None, &mut longer)?;
/// assert_eq!(longer.len(), 24_000);
/// assert_eq!(applied.to_string(), "time-stretch × 1.500");
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Augmenter {
    recipe: AugmentationRecipe,
    tools: Tools,
}

/// What was done to an utterance, in order.
#[derive(Debug, Default)]
pub struct Applied {
    /// The steps whose draw fell within their probability.
    pub steps: Vec<Box<dyn Step>>,
}

impl Augmenter {
    /// An augmenter of waveforms at `sample_rate` Hz.
    ///
    /// # Errors
    /// Those of [`AugmentationRecipe::validate`], and `Usage` for a sample rate outside 1,000 to 384,000 Hz.
    pub fn new(recipe: &AugmentationRecipe, sample_rate: u32) -> Result<Self> {
        recipe.validate()?;
        if !(1_000..=384_000).contains(&sample_rate) {
            let what = format!("a sample rate of {sample_rate} Hz cannot be augmented");
            return Err(Error::new(ErrorKind::Usage, what).help("give 1,000 to 384,000 Hz"));
        }
        Ok(Self { recipe: recipe.clone(), tools: Tools::new(sample_rate) })
    }

    /// Replaces `out` by an augmented copy of `samples`, and says what was done.
    ///
    /// What is drawn, and how far `random` advances, depends on the recipe alone, never on the samples. The result is
    /// not empty and finite; its level follows from the steps and is not brought within −1 to 1.
    ///
    /// # Errors
    /// `Unusable` when there is no sample, or one that is not finite.
    pub fn augment(
        &mut self,
        samples: &[f32],
        random: &mut Random,
        babble: &mut Babble<'_>,
        out: &mut Vec<f32>,
    ) -> Result<Applied> {
        let drawn = draw(&self.recipe, random)?;
        let scale = scale(samples)?;
        out.clear();
        out.extend(samples.iter().map(|sample| sample * scale));
        let mut applied = Applied::default();
        self.tools.reset();
        for (mut step, mut random) in drawn {
            let tools = &mut self.tools;
            step.apply(&mut Sound { samples: out, random: &mut random, babble, tools })?;
            applied.steps.push(step);
        }
        self.tools.change_voice(out)?;
        // What was too large for f32 becomes as large as it can be.
        for sample in out.iter_mut() {
            let restored = *sample / scale;
            *sample = if restored.is_nan() { 0.0 } else { restored.clamp(f32::MIN, f32::MAX) };
        }
        Ok(applied)
    }
}

/// Draws what happens to an utterance: the steps whose draw falls within their probability, and what each draws from
/// while it is done. Every step has its own generator, so that what one draws does not affect another.
fn draw(recipe: &AugmentationRecipe, random: &mut Random) -> Result<Vec<(Box<dyn Step>, Random)>> {
    let mut drawn = Vec::with_capacity(recipe.waveform.len());
    for entry in &recipe.waveform {
        let mut random = random.fork();
        let happens = f64::from(random.unit()) < entry.probability;
        let step = entry.waveform.draw(&mut random)?;
        if happens {
            drawn.push((step, random.fork()));
        }
    }
    Ok(drawn)
}

/// A power of two that brings the largest sample to between 0.5 and 1, as far as f32 can: neither the squares of very
/// large samples nor those of very small ones are numbers.
fn scale(samples: &[f32]) -> Result<f32> {
    if samples.is_empty() {
        return Err(Error::new(ErrorKind::Unusable, "holds no samples"));
    }
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        let what = format!("sample {at} is not a finite number");
        return Err(
            Error::new(ErrorKind::Unusable, what).help("write the recording again without such samples")
        );
    }
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak == 0.0 {
        return Ok(1.0);
    }
    // As f64 every f32 is normal, so its exponent is that of the number.
    let exponent = (f64::from(peak).to_bits() >> 52) as i32 - 1022;
    Ok(2.0_f32.powi(-exponent.clamp(-126, 127)))
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{step}")?;
        }
        if self.steps.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}
