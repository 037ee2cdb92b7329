//! Applies a recipe: draws what happens to an utterance, then does it.

use std::fmt;

use ser_core::random::Random;
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::augmentation::noise_maker::NoiseMaker;
use crate::augmentation::reverberation::Convolution;
use crate::augmentation::voice::VoiceChanger;
use crate::augmentation::voice_change::VoiceChange;
use crate::augmentation::{AugmentationRecipe, Step, clipping, gain, reverberation, telephone};

/// Where babble comes from: gives the samples of another utterance at the augmenter's sample rate, chosen with the
/// generator; `None` if there is no other.
///
/// It may give training utterances only; the caller ensures that.
pub type Babble<'a> = dyn FnMut(&mut Random) -> Option<Vec<f32>> + 'a;

/// Augments waveforms of one sample rate by one recipe, with buffers that are kept; give every thread its own.
///
/// ```
/// use ser_features::augmentation::{Augmenter, AugmentationRecipe};
/// use ser_core::random::Random;
///
/// let recipe = Recipe::from_toml("[[waveform]]\nkind = 'time-stretch'\nfactor = 1.5")?;
/// let mut augmenter = Augmenter::new(&recipe, 16_000)?;
/// let tone: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.1).sin()).collect();
/// let mut longer = Vec::new();
/// let applied = augmenter.augment(&tone, &mut Random::new(&["example", "7"]), &mut |_| None, &mut longer)?;
/// assert_eq!(longer.len(), 24_000);
/// assert_eq!(applied.to_string(), "time-stretch × 1.500");
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Augmenter {
    recipe: AugmentationRecipe,
    sample_rate: f64,
    voice: VoiceChanger,
    noise: NoiseMaker,
    convolution: Convolution,
    /// What the next pass over the voice is to change.
    pending: Option<VoiceChange>,
    /// What that pass writes to.
    between: Vec<f32>,
}

/// What was done to an utterance, in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Applied {
    /// The steps whose draw fell within their probability.
    pub steps: Vec<Step>,
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
        Ok(Self {
            recipe: recipe.clone(),
            sample_rate: f64::from(sample_rate),
            voice: VoiceChanger::new(sample_rate),
            noise: NoiseMaker::new(sample_rate),
            convolution: Convolution::default(),
            pending: None,
            between: Vec::new(),
        })
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
        self.pending = None;
        for (mut step, mut random) in drawn {
            self.apply(&mut step, &mut random, babble, out)?;
            applied.steps.push(step);
        }
        self.change_voice(out)?;
        // What was too large for f32 becomes as large as it can be.
        for sample in out.iter_mut() {
            let restored = *sample / scale;
            *sample = if restored.is_nan() { 0.0 } else { restored.clamp(f32::MIN, f32::MAX) };
        }
        Ok(applied)
    }

    /// Applies `step`; or, if it changes the voice, adds it to the pending pass, so that neighbouring steps are
    /// applied in one pass.
    fn apply(
        &mut self,
        step: &mut Step,
        random: &mut Random,
        babble: &mut Babble<'_>,
        samples: &mut Vec<f32>,
    ) -> Result<()> {
        match step {
            Step::PitchShift { semitones, formants } => {
                self.pass_without_equaliser(samples)?.shift_pitch(*semitones, *formants);
            }
            Step::Vtlp { factor } => self.pass_without_equaliser(samples)?.formants *= *factor,
            Step::TimeStretch { factor } => self.pending.get_or_insert_default().duration *= *factor,
            Step::Equaliser { gains_db } => {
                self.pending.get_or_insert_default().equalisers.push(gains_db.clone());
            }
            Step::Noise { slope_db_per_octave, level } => {
                self.change_voice(samples)?;
                self.noise.add(*slope_db_per_octave, *level, random, samples)?;
            }
            Step::Babble { talkers, level } => {
                self.change_voice(samples)?;
                let wanted = *talkers;
                let voices = (0..wanted).map_while(|_| babble(random)).filter(|voice| !voice.is_empty());
                let voices: Vec<Vec<f32>> = voices.collect();
                *talkers = voices.len();
                self.noise.add_babble(&voices, *level, random, samples);
            }
            Step::Gain { db } => {
                self.change_voice(samples)?;
                gain::apply(*db, samples);
            }
            Step::Reverberation { rt60_s, direct_to_reverberant_db } => {
                self.change_voice(samples)?;
                let ratio = *direct_to_reverberant_db;
                let response = reverberation::impulse_response(*rt60_s, ratio, self.sample_rate, random);
                self.convolution.apply(&response, samples)?;
            }
            Step::Clipping { threshold_db } => {
                self.change_voice(samples)?;
                clipping::apply(*threshold_db, samples);
            }
            Step::Telephone { mu_law } => {
                self.change_voice(samples)?;
                telephone::apply(*mu_law, self.sample_rate, samples);
            }
        }
        Ok(())
    }

    /// The pending pass for a step that moves formants: an equaliser comes last in a pass, so what follows one needs a
    /// pass of its own.
    fn pass_without_equaliser(&mut self, samples: &mut Vec<f32>) -> Result<&mut VoiceChange> {
        if self.pending.as_ref().is_some_and(|change| !change.equalisers.is_empty()) {
            self.change_voice(samples)?;
        }
        Ok(self.pending.get_or_insert_default())
    }

    /// Runs the pending pass, if there is one.
    fn change_voice(&mut self, samples: &mut Vec<f32>) -> Result<()> {
        if let Some(change) = self.pending.take() {
            self.voice.process(&change, samples, &mut self.between)?;
            std::mem::swap(samples, &mut self.between);
        }
        Ok(())
    }
}

/// Draws what happens to an utterance: the steps whose draw falls within their probability, and what each draws from
/// while it is done. Every step has its own generator, so that what one draws does not affect another.
fn draw(recipe: &AugmentationRecipe, random: &mut Random) -> Result<Vec<(Step, Random)>> {
    let mut drawn = Vec::with_capacity(recipe.waveform.len());
    for entry in &recipe.waveform {
        let mut random = random.fork();
        let happens = f64::from(random.unit()) < entry.probability;
        let step = Step::draw(&entry.waveform, &mut random)?;
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
