//! Telephone: a narrow band, and the eight bits of its samples.

use std::f64::consts::{LN_2, PI, TAU};
use std::fmt;

use libm::{cos, expm1, sin};
use ser_core::Result;
use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Parts, Sound, Step};

/// `kind = "telephone"`
///
/// A fourth-order Butterworth high-pass at 300 Hz and an eighth-order low-pass at 3,400 Hz, the band of ITU-T G.712.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telephone {
    /// Whether samples go through the 8-bit μ-law of ITU-T G.711, with the peak at full scale.
    #[serde(default)]
    pub mu_law: bool,
}

impl Augmentation for Telephone {
    const KIND: &'static str = "telephone";

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Nothing is left to chance.
    fn draw(&self, _random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(self.clone()))
    }
}

/// The edges of the band, where it has lost 3 dB.
const BAND_HZ: [f64; 2] = [300.0, 3400.0];

impl Step for Telephone {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let Parts { samples, sample_rate, .. } = sound.parts()?;
        let sample_rate = f64::from(sample_rate);
        let [low, high] = BAND_HZ;
        if low < 0.49 * sample_rate {
            butterworth(Side::Above, low, 4, sample_rate, samples);
        }
        if high < 0.49 * sample_rate {
            butterworth(Side::Below, high, 8, sample_rate, samples);
        }
        if self.mu_law {
            compand(samples);
        }
        Ok(())
    }
}

impl fmt::Display for Telephone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.mu_law { "telephone with μ-law" } else { "telephone" })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Above,
    Below,
}

/// A filter of even `order` as a cascade of second-order sections, by the bilinear transform: the low-pass and high-pass
/// of Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients" (W3C note, 2021), with the Q of
/// each pair of Butterworth's poles.
fn butterworth(side: Side, cut_off: f64, order: u32, sample_rate: f64, samples: &mut [f32]) {
    let omega = TAU * cut_off / sample_rate;
    let (cosine, sine) = (cos(omega), sin(omega));
    for section in 0..order / 2 {
        // 1 / Q is twice the cosine of the pole's angle from the real axis.
        let alpha = sine * cos(PI * f64::from(2 * section + 1) / f64::from(2 * order));
        let a0 = 1.0 + alpha;
        let (b, middle) = match side {
            Side::Above => (0.5 * (1.0 + cosine) / a0, -2.0),
            Side::Below => (0.5 * (1.0 - cosine) / a0, 2.0),
        };
        let (a1, a2) = (-2.0 * cosine / a0, (1.0 - alpha) / a0);
        let (mut last, mut before) = (0.0, 0.0);
        for sample in samples.iter_mut() {
            // Transposed direct form II.
            let input = f64::from(*sample);
            let output = b * input + last;
            last = middle * b * input - a1 * output + before;
            before = b * input - a2 * output;
            *sample = output as f32;
        }
    }
}

/// To 8 bits and back: sign, and 127 steps of `ln(1 + 255·|x|) / ln 256`.
fn compand(samples: &mut [f32]) {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak <= 0.0 {
        return;
    }
    // What comes out of each step, and from what on a sample belongs to it.
    let level = |step: f64| (f64::from(peak) * expm1(step / 127.0 * 8.0 * LN_2) / 255.0) as f32;
    let levels: [f32; 128] = std::array::from_fn(|step| level(step as f64));
    let starts: [f32; 127] = std::array::from_fn(|step| level(step as f64 + 0.5));
    for sample in samples {
        let step = starts.partition_point(|start| *start <= sample.abs());
        *sample = levels.get(step).copied().unwrap_or(peak).copysign(*sample);
    }
}
