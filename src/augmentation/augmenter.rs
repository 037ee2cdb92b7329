//! A recipe at work: draws what happens to an utterance, then does it.

use std::fmt;

use serde::Serialize;

use super::noise::{Level, NoiseMaker};
use super::pitch_shift::Formants;
use super::voice::{Voice, VoiceChange};
use super::{Recipe, Waveform, clipping, gain, reverberation, telephone};
use crate::elementary::semitones;
use crate::random::Random;
use crate::{Error, ErrorKind, Result};

/// Where babble comes from: gives the samples of another utterance at the augmenter's sample rate, chosen with the
/// generator; `None` if there is no other.
///
/// It is asked for training utterances only; who calls sees to that.
pub type Babble<'a> = dyn FnMut(&mut Random) -> Option<Vec<f32>> + 'a;

/// Augments waveforms of one sample rate by one recipe, with buffers that are kept; give every thread its own.
///
/// ```
/// use ser::augmentation::{Augmenter, Recipe};
/// use ser::random::Random;
///
/// let recipe = Recipe::from_toml("[[waveform]]\nkind = 'time-stretch'\nfactor = 1.5")?;
/// let mut augmenter = Augmenter::new(&recipe, 16_000)?;
/// let tone: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.1).sin()).collect();
/// let mut longer = Vec::new();
/// let applied = augmenter.augment(&tone, &mut Random::new(&["example", "7"]), &mut |_| None, &mut longer)?;
/// assert_eq!(longer.len(), 24_000);
/// assert_eq!(applied.to_string(), "time-stretch × 1.500");
/// # Ok::<(), ser::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Augmenter {
    recipe: Recipe,
    sample_rate: f64,
    voice: Voice,
    noise: NoiseMaker,
    /// The samples between two steps.
    between: Vec<f32>,
}

/// What was done to an utterance, in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Applied {
    /// The steps whose draw fell within their probability.
    pub steps: Vec<Step>,
}

/// A step with its parameters as drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are those of the recipe")]
pub enum Step {
    /// Noise with a slope.
    Noise { slope_db_per_octave: f64, level: Level },
    /// People talking; nothing was added if there were none.
    Babble { talkers: usize, level: Level },
    /// Pitch shift.
    PitchShift { semitones: f64, formants: Formants },
    /// Time stretch.
    TimeStretch { factor: f64 },
    /// Vocal-tract-length perturbation.
    Vtlp { factor: f64 },
    /// Gain.
    Gain { db: f64 },
    /// Equaliser with its gains in dB, from 0 Hz up.
    Equaliser { gains_db: Vec<f64> },
    /// Reverberation.
    Reverberation { rt60_s: f64, direct_to_reverberant_db: f64 },
    /// Clipping.
    Clipping { threshold_db: f64 },
    /// Telephone.
    Telephone { mu_law: bool },
}

impl Augmenter {
    /// An augmenter of waveforms at `sample_rate` Hz.
    ///
    /// # Errors
    /// Those of [`Recipe::validate`], and `Usage` for a sample rate outside 1,000 to 384,000 Hz.
    pub fn new(recipe: &Recipe, sample_rate: u32) -> Result<Self> {
        recipe.validate()?;
        if !(1_000..=384_000).contains(&sample_rate) {
            let what = format!("a sample rate of {sample_rate} Hz cannot be augmented");
            return Err(Error::new(ErrorKind::Usage, what).mend("give 1,000 to 384,000 Hz"));
        }
        Ok(Self {
            recipe: recipe.clone(),
            sample_rate: f64::from(sample_rate),
            voice: Voice::new(sample_rate),
            noise: NoiseMaker::new(sample_rate),
            between: Vec::new(),
        })
    }

    /// Replaces `out` by an augmented copy of `samples`, and says what was done.
    ///
    /// What is drawn, and how far `random` moves on, depends on the recipe alone, never on the samples. The result is
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
        let drawn = draw(&self.recipe, random);
        let scale = scale(samples)?;
        out.clear();
        out.extend(samples.iter().map(|sample| sample * scale));
        let mut applied = Applied::default();
        let mut change = None;
        for (mut step, mut random) in drawn {
            if let Some(now) = &mut change
                && !fuses(now, &step)
            {
                self.change_voice(now, out)?;
                change = None;
            }
            if is_voice(&step) {
                take_in(&step, change.get_or_insert_default());
            } else {
                self.apply(&mut step, &mut random, babble, out)?;
            }
            applied.steps.push(step);
        }
        if let Some(change) = &change {
            self.change_voice(change, out)?;
        }
        // What was too large for f32 becomes as large as it can be.
        for sample in out.iter_mut() {
            let restored = *sample / scale;
            *sample = if restored.is_nan() { 0.0 } else { restored.clamp(f32::MIN, f32::MAX) };
        }
        Ok(applied)
    }

    fn change_voice(&mut self, change: &VoiceChange, samples: &mut Vec<f32>) -> Result<()> {
        self.voice.process(change, samples, &mut self.between)?;
        std::mem::swap(samples, &mut self.between);
        Ok(())
    }

    fn apply(
        &mut self,
        step: &mut Step,
        random: &mut Random,
        babble: &mut Babble<'_>,
        samples: &mut [f32],
    ) -> Result<()> {
        match step {
            Step::Noise { slope_db_per_octave, level } => {
                self.noise.add(*slope_db_per_octave, *level, random, samples)?;
            }
            Step::Babble { talkers, level } => {
                let wanted = *talkers;
                let voices = (0..wanted).map_while(|_| babble(random)).filter(|voice| !voice.is_empty());
                let voices: Vec<Vec<f32>> = voices.collect();
                *talkers = voices.len();
                self.noise.add_babble(&voices, *level, random, samples);
            }
            Step::Gain { db } => gain::apply(*db, samples),
            Step::Reverberation { rt60_s, direct_to_reverberant_db } => {
                let response = reverberation::impulse_response(
                    *rt60_s,
                    *direct_to_reverberant_db,
                    self.sample_rate,
                    random,
                );
                reverberation::convolve(samples, &response)?;
            }
            Step::Clipping { threshold_db } => clipping::apply(*threshold_db, samples),
            Step::Telephone { mu_law } => telephone::apply(*mu_law, self.sample_rate, samples),
            Step::PitchShift { .. }
            | Step::TimeStretch { .. }
            | Step::Vtlp { .. }
            | Step::Equaliser { .. } => {}
        }
        Ok(())
    }
}

/// Draws what happens to an utterance. Every step has a generator of its own, so that what one of them draws moves no
/// other.
fn draw(recipe: &Recipe, random: &mut Random) -> Vec<(Step, Random)> {
    let mut drawn = Vec::with_capacity(recipe.waveform.len());
    for entry in &recipe.waveform {
        let mut random = random.fork();
        let happens = f64::from(random.unit()) < entry.probability;
        let random = &mut random;
        let step = match &entry.waveform {
            Waveform::Noise(noise) => match noise.draw(random) {
                (Some(slope_db_per_octave), level) => Step::Noise { slope_db_per_octave, level },
                (None, level) => Step::Babble { talkers: noise.talkers(), level },
            },
            Waveform::PitchShift(shift) => {
                Step::PitchShift { semitones: shift.semitones.draw(random), formants: shift.formants }
            }
            Waveform::TimeStretch(stretch) => Step::TimeStretch { factor: stretch.factor.draw_ratio(random) },
            Waveform::Vtlp(warp) => Step::Vtlp { factor: warp.factor.draw_ratio(random) },
            Waveform::Gain(gain) => Step::Gain { db: gain.db.draw(random) },
            Waveform::Equaliser(equaliser) => Step::Equaliser { gains_db: equaliser.draw(random) },
            Waveform::Reverberation(room) => Step::Reverberation {
                rt60_s: room.rt60_s.draw_ratio(random),
                direct_to_reverberant_db: room.direct_to_reverberant_db.draw(random),
            },
            Waveform::Clipping(clipping) => {
                Step::Clipping { threshold_db: clipping.threshold_db.draw(random) }
            }
            Waveform::Telephone(telephone) => Step::Telephone { mu_law: telephone.mu_law },
        };
        if happens {
            drawn.push((step, random.fork()));
        }
    }
    drawn
}

fn is_voice(step: &Step) -> bool {
    matches!(
        step,
        Step::PitchShift { .. } | Step::TimeStretch { .. } | Step::Vtlp { .. } | Step::Equaliser { .. }
    )
}

/// Whether `step` can be taken into `change`: an equaliser comes after whatever moves formants, so what moves them after
/// it needs a pass of its own.
fn fuses(change: &VoiceChange, step: &Step) -> bool {
    match step {
        Step::PitchShift { .. } | Step::Vtlp { .. } => change.equalisers.is_empty(),
        Step::TimeStretch { .. } | Step::Equaliser { .. } => true,
        _ => false,
    }
}

fn take_in(step: &Step, change: &mut VoiceChange) {
    match step {
        Step::PitchShift { semitones: interval, formants } => {
            let ratio = semitones(*interval);
            change.pitch *= ratio;
            if *formants == Formants::Move {
                change.formants *= ratio;
            }
        }
        Step::TimeStretch { factor } => change.duration *= factor,
        Step::Vtlp { factor } => change.formants *= factor,
        Step::Equaliser { gains_db } => change.equalisers.push(gains_db.clone()),
        _ => {}
    }
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
            Error::new(ErrorKind::Unusable, what).mend("write the recording again without such samples")
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise { slope_db_per_octave, level } => {
                write!(f, "noise with {slope_db_per_octave:+.1} dB per octave {level}")
            }
            Self::Babble { talkers: 0, .. } => f.write_str("babble of nobody"),
            Self::Babble { talkers, level } => write!(f, "babble of {talkers} {level}"),
            Self::PitchShift { semitones, formants } => {
                let formants = if *formants == Formants::Move { "moved" } else { "kept" };
                write!(f, "pitch-shift {semitones:+.2} semitones, formants {formants}")
            }
            Self::TimeStretch { factor } => write!(f, "time-stretch × {factor:.3}"),
            Self::Vtlp { factor } => write!(f, "vtlp × {factor:.3}"),
            Self::Gain { db } => write!(f, "gain {db:+.1} dB"),
            Self::Equaliser { gains_db } => {
                let gains: Vec<String> = gains_db.iter().map(|gain| format!("{gain:+.1}")).collect();
                write!(f, "equaliser {} dB", gains.join(" "))
            }
            Self::Reverberation { rt60_s, direct_to_reverberant_db } => {
                write!(f, "reverberation of {rt60_s:.2} s, {direct_to_reverberant_db:+.1} dB direct")
            }
            Self::Clipping { threshold_db } => write!(f, "clipping at {threshold_db:.1} dB"),
            Self::Telephone { mu_law: false } => f.write_str("telephone"),
            Self::Telephone { mu_law: true } => f.write_str("telephone with μ-law"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SnrDb(snr) => write!(f, "at {snr:.1} dB SNR"),
            Self::FloorDb(floor) => write!(f, "{floor:.1} dB under the peak"),
        }
    }
}
