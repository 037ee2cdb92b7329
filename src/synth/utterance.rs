//! One spoken phrase: source, filter, room and microphone.

use std::f64::consts::TAU;

use super::articulation::{FRAME, Frame, articulate};
use super::elementary::{decibels, exp};
use super::emotion::{Emotion, Expression};
use super::prosody::intone;
use super::random::Random;
use super::source::Glottis;
use super::speaker::{MAX_SPEAKERS, Voice, speakers, take};
use super::tract::{Band, Resonance};
use crate::{Error, ErrorKind, Result};

/// The sample rates an utterance can have, in Hz.
pub const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Frequencies and bandwidths of the fourth to the eighth formant of the reference voice, in Hz. They hardly move.
const HIGH_FORMANTS: [[f64; 2]; 5] =
    [[4200.0, 280.0], [5050.0, 320.0], [6000.0, 400.0], [7050.0, 500.0], [8200.0, 600.0]];

/// Resting frequency of the nasal pole and zero, in Hz: they cancel while the velum is closed.
const NASAL: f64 = 290.0;

/// "Say the word `word`", spoken by `speaker` with `emotion`: mono samples in [−1, 1] at `sample_rate` Hz, between about
/// 0.9 s and 2.5 s of them.
///
/// The samples depend on the five arguments alone and are the same on every machine. `speaker` is one of
/// [`speakers`](super::speakers), `word` one of [`words`](super::words).
///
/// # Errors
///
/// [`ErrorKind::Usage`] for a speaker, word or sample rate outside those.
///
/// ```
/// use ser::synth::{Emotion, utterance};
/// let samples = utterance("YAF", "moon", Emotion::Happy, 0, 16_000)?;
/// assert!(samples.len() > 14_000);
/// # Ok::<(), ser::Error>(())
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
        return Err(Error::new(ErrorKind::Usage, what).mend("choose one within, such as 24414"));
    }
    if !speakers(MAX_SPEAKERS).iter().any(|name| name == speaker) {
        let what = format!("there is no speaker {speaker:?}");
        return Err(Error::new(ErrorKind::Usage, what).mend("choose OAF, YAF, or S03 to S99"));
    }
    let voice = Voice::of(speaker);
    let mut random = Random::new(&["ser-synth take", &seed.to_string(), speaker, word, emotion.label()]);
    let expression = take(voice.expression(speaker, emotion), &mut random);
    let Some((mut frames, marks)) = articulate(word, &expression, &mut random) else {
        let what = format!("the word {word:?} is not in the list");
        return Err(Error::new(ErrorKind::Usage, what).mend("choose one of ser::synth::words"));
    };
    intone(&mut frames, &marks, &expression, voice.pitch, &mut random);
    let rate = f64::from(sample_rate);
    let speech = speak(&frames, &voice, &expression, rate, &mut random);
    Ok(record(&speech, &expression, rate, &mut random))
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
            let aspiration = between(from.aspiration, to.aspiration) + voicing * breath * (0.4 + 0.6 * pulse.open);
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

/// Puts the speech into a quiet room with some silence around it, at a level that says nothing about the emotion.
fn record(speech: &[f64], expression: &Expression, rate: f64, random: &mut Random) -> Vec<f32> {
    let before = (random.between(0.05, 0.35) * rate) as usize;
    let after = (random.between(0.05, 0.40) * rate) as usize;
    // A calm vowel peaks near 10; the room lies some 55 dB below that.
    let room = 10.0 * decibels(random.between(-60.0, -50.0));
    let effort = decibels(expression.effort);
    let (mut rumble, rumble_keep) = (0.0, exp(-TAU * 200.0 / rate));
    let mut recording: Vec<f64> = Vec::with_capacity(before + speech.len() + after);
    let silence = |samples| std::iter::repeat_n(&0.0, samples);
    for sample in silence(before).chain(speech).chain(silence(after)) {
        let noise = random.symmetric();
        rumble = noise + rumble_keep * (rumble - noise);
        recording.push(effort * sample + room * (3.0 * rumble + 0.4 * noise));
    }
    let peak = recording.iter().fold(1e-9, |peak: f64, sample| peak.max(sample.abs()));
    let gain = decibels(random.between(-18.0, -1.5)) / peak;
    recording.iter().map(|sample| (gain * sample) as f32).collect()
}
