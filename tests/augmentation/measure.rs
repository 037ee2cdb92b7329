//! Test signals, and measurements by methods that share nothing with how augmentation is done.

use std::f64::consts::{PI, TAU};

use ser_core::random::Random;
use ser_features::augmentation::{Applied, AugmentationRecipe, Augmenter};

pub(crate) const RATE: u32 = 16_000;

pub(crate) fn augmented(recipe: &str, samples: &[f32], seed: &str) -> (Vec<f32>, Applied) {
    let recipe = AugmentationRecipe::from_toml(recipe).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let mut out = Vec::new();
    let mut random = Random::new(&["augmentation test", seed]);
    let applied = augmenter.augment(samples, &mut random, &mut |_| None, &mut out).unwrap();
    (out, applied)
}

pub(crate) fn step(text: &str) -> String {
    format!("[[waveform]]\n{text}\n")
}

pub(crate) fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64
}

pub(crate) fn db(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// A vowel of `seconds` at a steady `f0`: pulses through resonators at `formants`.
pub(crate) fn vowel(f0: f64, formants: &[f64], seconds: f64) -> Vec<f32> {
    let rate = f64::from(RATE);
    let mut phase = 0.0;
    let mut signal: Vec<f64> = (0..(seconds * rate) as usize)
        .map(|_| {
            phase += f0 / rate;
            // Band-limited enough: a pulse is shared between the two samples it falls between.
            if phase >= 1.0 {
                phase -= 1.0;
                1.0 - phase * rate / f0 * 0.5
            } else if phase + f0 / rate >= 1.0 {
                0.5 * (1.0 - (1.0 - phase) * rate / f0)
            } else {
                0.0
            }
        })
        .collect();
    for &formant in formants {
        let radius = (-PI * (50.0 + 0.04 * formant) / rate).exp();
        let (b, c) = (2.0 * radius * (TAU * formant / rate).cos(), -radius * radius);
        let (mut last, mut before) = (0.0, 0.0);
        for x in &mut signal {
            let y = (1.0 - b - c) * *x + b * last + c * before;
            (before, last) = (last, y);
            *x = y;
        }
    }
    let peak = signal.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()));
    signal.iter().map(|x| (0.9 * x / peak) as f32).collect()
}

pub(crate) const AH: [f64; 4] = [700.0, 1220.0, 2600.0, 3500.0];

/// F0 of a stretch of speech by the first high peak of its normalised autocorrelation.
pub(crate) fn f0(samples: &[f32]) -> Option<f64> {
    let rate = f64::from(RATE);
    let score = |lag: usize| {
        let (a, b) = (&samples[..samples.len() - lag], &samples[lag..]);
        let dot: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let energy = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        dot / (energy(a) * energy(b)).sqrt().max(1e-12)
    };
    let (shortest, longest) = ((rate / 700.0) as usize, (rate / 60.0) as usize);
    let scores: Vec<f64> = (shortest - 1..=longest + 1).map(score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    if best < 0.5 {
        return None;
    }
    let peak = (1..scores.len() - 1)
        .find(|&n| scores[n] > 0.9 * best && scores[n] >= scores[n - 1] && scores[n] >= scores[n + 1])?;
    let [low, middle, high] = [scores[peak - 1], scores[peak], scores[peak + 1]];
    let offset = 0.5 * (low - high) / (low - 2.0 * middle + high);
    Some(rate / ((peak + shortest - 1) as f64 + offset))
}

/// Frequencies of the highest peaks of a smooth spectrum from linear prediction (autocorrelation method), in order.
pub(crate) fn formants(samples: &[f32], order: usize, count: usize) -> Vec<f64> {
    let emphasised: Vec<f64> = samples.windows(2).map(|w| f64::from(w[1]) - 0.9 * f64::from(w[0])).collect();
    let n = emphasised.len() as f64;
    let windowed: Vec<f64> =
        emphasised.iter().enumerate().map(|(i, x)| x * (0.5 - 0.5 * (TAU * i as f64 / n).cos())).collect();
    let r: Vec<f64> =
        (0..=order).map(|lag| windowed.iter().zip(&windowed[lag..]).map(|(a, b)| a * b).sum()).collect();
    let mut a = vec![1.0];
    let mut error = r[0] * 1.000_001;
    for i in 1..=order {
        let k = -(0..i).map(|j| a[j] * r[i - j]).sum::<f64>() / error;
        a.push(0.0);
        let old = a.clone();
        for j in 1..=i {
            a[j] = old[j] + k * old[i - j];
        }
        error *= 1.0 - k * k;
    }
    let gain = |hz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (k, a) in a.iter().enumerate() {
            let angle = TAU * hz * k as f64 / f64::from(RATE);
            re += a * angle.cos();
            im -= a * angle.sin();
        }
        1.0 / (re * re + im * im)
    };
    let grid: Vec<f64> = (0..1600).map(|n| gain(5.0 * f64::from(n))).collect();
    (1..grid.len() - 1)
        .filter(|&n| grid[n] > grid[n - 1] && grid[n] > grid[n + 1])
        .map(|n| 5.0 * n as f64)
        .filter(|&hz| hz > 200.0)
        .take(count)
        .collect()
}

/// Power at `hz` by the definition of the Fourier transform under a Hann window.
pub(crate) fn tone_power(samples: &[f32], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &x) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * n as f64 / samples.len() as f64).cos();
        let angle = TAU * hz * n as f64 / f64::from(RATE);
        re += window * f64::from(x) * angle.cos();
        im += window * f64::from(x) * angle.sin();
    }
    (re * re + im * im) / samples.len() as f64
}

pub(crate) fn middle(samples: &[f32]) -> &[f32] {
    &samples[samples.len() / 4..samples.len() * 3 / 4]
}
