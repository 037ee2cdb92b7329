//! One spoken phrase: source, filter, room and microphone.

use std::f64::consts::TAU;

use libm::exp;
use ser_core::random::Random;
use ser_core::ratio::decibels;
use ser_core::{Error, ErrorKind, Result};

use crate::articulation::{FRAME, Frame, articulate};
use crate::emotion::Expression;
use crate::prosody::intone;
use crate::source::Glottis;
use crate::speaker::{Voice, take};
use crate::tract::{Band, Resonance};
use crate::{Emotion, MAX_SPEAKERS, speakers};

/// The sample rates an utterance can have, in Hz.
pub const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Frequencies and bandwidths of the fourth to the eighth formant of the reference voice, in Hz. They hardly move.
const HIGH_FORMANTS: [[f64; 2]; 5] =
    [[4200.0, 280.0], [5050.0, 320.0], [6000.0, 400.0], [7050.0, 500.0], [8200.0, 600.0]];

/// Resting frequency of the nasal pole and zero, in Hz: they cancel while the velum is closed.
const NASAL: f64 = 290.0;

/// "Say the word `word`", spoken by `speaker` with `emotion`: mono samples in [−1, 1] at `sample_rate` Hz, 0.9 s to
/// 2.8 s of them, mostly about 1.6 s.
///
/// The samples depend on the five arguments alone and are the same on every machine. `speaker` is one of
/// [`speakers`](crate::speakers), `word` one of [`words`](crate::words).
///
/// # Errors
///
/// [`ErrorKind::Usage`] for a speaker, word or sample rate outside those.
///
/// ```
/// use ser_synth::{Emotion, utterance};
/// let samples = utterance("YAF", "moon", Emotion::Happy, 0, 16_000)?;
/// assert!(samples.len() > 14_000);
/// # Ok::<(), ser_core::Error>(())
/// ```
pub fn utterance(
    speaker: &str,
    word: &str,
    emotion: Emotion,
    seed: u64,
    sample_rate: u32,
) -> Result<Vec<f32>> {
    if !SAMPLE_RATES.contains(&sample_rate) {
        let (low, high) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
        let what = format!("a sample rate of {sample_rate} Hz is outside {low} to {high} Hz");
        return Err(Error::new(ErrorKind::Usage, what).help("choose one within, such as 24414"));
    }
    if !speakers(MAX_SPEAKERS).iter().any(|name| name == speaker) {
        let what = format!("unknown speaker {speaker:?}");
        return Err(Error::new(ErrorKind::Usage, what).help("choose OAF, YAF, or S03 to S99"));
    }
    let voice = Voice::of(speaker);
    let mut random = Random::new(&["ser-synth take", &seed.to_string(), speaker, word, emotion.label()]);
    let expression = take(voice.expression(speaker, emotion), &mut random);
    let Some((mut frames, marks)) = articulate(word, &expression, &mut random) else {
        let what = format!("the word {word:?} is not in the list");
        return Err(Error::new(ErrorKind::Usage, what).help("choose one of ser::synth::words"));
    };
    intone(&mut frames, &marks, &expression, voice.pitch, &mut random);
    let rate = f64::from(sample_rate);
    // Apart, because how many draws the noise takes depends on the sample rate, and nothing else should.
    let mut noise = Random::new(&["ser-synth noise", &seed.to_string(), speaker, word, emotion.label()]);
    let speech = speak(&frames, &voice, &expression, rate, &mut noise);
    Ok(record(&speech, rate, &mut random, &mut noise))
}

/// Runs the source through the tract.
fn speak(
    frames: &[Frame],
    voice: &Voice,
    expression: &Expression,
    rate: f64,
    random: &mut Random,
) -> Vec<f64> {
    // Noise of the same density per hertz at every sample rate.
    let noise = (3.0 * rate / 24_414.0).sqrt();
    let breath = decibels(expression.aspiration);
    let mut glottis = Glottis::new(expression, rate);
    let mut tract = Tract::new(voice, expression, rate);
    let mut friction = Band::default();
    let mut speech = Vec::with_capacity((frames.len() as f64 * FRAME * rate) as usize + 1);
    for (index, pair) in frames.windows(2).enumerate() {
        let [from, to] = [pair[0], pair[1]];
        tract.shape(&from);
        friction.tune(from.friction_band[0], from.friction_band[1], rate);
        let end = ((index + 1) as f64 * FRAME * rate) as usize;
        let samples = end.saturating_sub(speech.len());
        for sample in 0..samples {
            let part = sample as f64 / samples as f64;
            let between = |from: f64, to: f64| from + part * (to - from);
            let voicing = between(from.voicing, to.voicing);
            let pulse = glottis.next(between(from.pitch, to.pitch), random);
            let aspiration =
                between(from.aspiration, to.aspiration) + voicing * breath * (0.4 + 0.6 * pulse.open);
            let source = voicing * pulse.excitation + noise * aspiration * random.symmetric();
            let hiss = noise * between(from.friction, to.friction) * random.symmetric();
            speech.push(tract.pass(source) + friction.pass(hiss));
        }
    }
    speech
}

/// The cascade of formants, with a nasal pole and zero.
struct Tract {
    rate: f64,
    length: f64,
    bandwidth: f64,
    openness: f64,
    smile: f64,
    low: [Resonance; 3],
    high: Vec<Resonance>,
    pole: Resonance,
    zero: Resonance,
}

impl Tract {
    fn new(voice: &Voice, expression: &Expression, rate: f64) -> Self {
        let high = HIGH_FORMANTS
            .iter()
            .map(|[frequency, bandwidth]| [frequency * voice.formants, bandwidth * voice.bandwidth])
            .filter(|[frequency, _]| *frequency < 0.47 * rate)
            .map(|[frequency, bandwidth]| {
                let mut formant = Resonance::default();
                formant.tune(frequency, bandwidth, rate);
                formant
            })
            .collect();
        let mut pole = Resonance::default();
        pole.tune(NASAL, 100.0, rate);
        Self {
            rate,
            length: voice.formants,
            bandwidth: voice.bandwidth,
            openness: expression.openness,
            smile: expression.smile,
            low: [Resonance::default(); 3],
            high,
            pole,
            zero: pole,
        }
    }

    fn shape(&mut self, frame: &Frame) {
        let [f1, f2, f3] = frame.formants;
        let f1 = f1 * self.length * self.openness;
        let f2 = (f2 * self.length * self.smile).max(f1 + 150.0);
        let f3 = (f3 * self.length * self.smile).max(f2 + 150.0).min(0.48 * self.rate);
        let damping = self.bandwidth * (1.0 + 0.8 * frame.nasality);
        self.low[0].tune(f1, 70.0 * damping, self.rate);
        self.low[1].tune(f2, 100.0 * damping, self.rate);
        self.low[2].tune(f3, 160.0 * damping, self.rate);
        self.zero.tune(NASAL + 220.0 * frame.nasality, 100.0, self.rate);
    }

    fn pass(&mut self, source: f64) -> f64 {
        let nasal = self.pole.resonate(self.zero.antiresonate(source));
        let high = self.high.iter_mut().rev().fold(nasal, |signal, formant| formant.resonate(signal));
        self.low.iter_mut().rev().fold(high, |signal, formant| formant.resonate(signal))
    }
}

/// Puts the speech into a quiet room with some silence around it. Neither the level nor the noise floor, which follows
/// the level, says anything about the emotion.
fn record(speech: &[f64], rate: f64, random: &mut Random, noise: &mut Random) -> Vec<f32> {
    let before = (random.between(0.05, 0.35) * rate) as usize;
    let after = (random.between(0.05, 0.40) * rate) as usize;
    let peak = speech.iter().fold(1e-9, |peak: f64, sample| peak.max(sample.abs()));
    let level = decibels(random.between(-18.0, -1.5));
    let floor = level * decibels(random.between(-66.0, -54.0));
    let (mut rumble, rumble_keep) = (0.0, exp(-TAU * 200.0 / rate));
    let silence = |samples| std::iter::repeat_n(&0.0, samples);
    let recording = silence(before).chain(speech).chain(silence(after)).map(|sample| {
        let noise = noise.symmetric();
        rumble = noise + rumble_keep * (rumble - noise);
        let sample = level * sample / peak + floor * (3.0 * rumble + 0.8 * noise);
        sample.clamp(-1.0, 1.0) as f32
    });
    recording.collect()
}
